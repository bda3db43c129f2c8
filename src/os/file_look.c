#include <breakwater/os/file_look.h>

#include <sys/stat.h>

struct bw_file_look bw_file_look_at(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct bw_file_look){0};
    return (struct bw_file_look){
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = (uint64_t)status.st_size,
        .mode = status.st_mode,
        .user = status.st_uid,
        .group = status.st_gid,
        .modified_ns = status.st_mtim.tv_sec * 1000000000LL + status.st_mtim.tv_nsec,
    };
}

bool bw_file_looks_equal(struct bw_file_look a, struct bw_file_look b)
{
    return a.device == b.device && a.inode == b.inode && a.size == b.size &&
           a.mode == b.mode && a.user == b.user && a.group == b.group &&
           a.modified_ns == b.modified_ns;
}
