#!/bin/sh
# Installs breakwater from the folder of this script on a machine without the Debian package. Needs sh, find, cp, mv and the usual
# tools, also those of busybox. Starts and restarts nothing.
#
#   ./install.sh            installs, or upgrades what an earlier run installed
#   ./install.sh --remove   removes the files; /etc/breakwater and the folders of the state stay
set -eu

here=$(cd "$(dirname "$0")" && pwd)
list=/usr/share/breakwater/installed-files

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

remove_files() { # names on stdin
    while read -r file; do
        rm -f "/usr/$file"
    done
}

remove() {
    [ -e "$list" ] || fail "there is no $list: this script has installed nothing here"
    remove_files <"$list"
    rm -f "$list"
    find /usr/share/breakwater /usr/share/doc/breakwater -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
    echo "Removed. /etc/breakwater, /var/lib/breakwater and /var/lib/breakwater-agent are unchanged."
    exit 0
}

make_user() {
    ! grep -q '^breakwater:' /etc/passwd || return 0
    if command -v useradd >/dev/null; then
        useradd --system --user-group --no-create-home --home-dir /var/lib/breakwater --shell /usr/sbin/nologin breakwater
    elif command -v adduser >/dev/null && command -v addgroup >/dev/null; then # busybox's
        addgroup -S breakwater
        adduser -S -D -H -h /var/lib/breakwater -s /bin/false -G breakwater breakwater
    else
        echo "No useradd here: a witness needs the system user breakwater with a group of this name. Make both, then run install.sh again."
    fi
}

make_folder() { # FOLDER MODE OWNER
    [ ! -d "$1" ] || return 0 # an existing folder keeps its owner and mode
    mkdir -p "$1"
    chown "$3" "$1"
    chmod "$2" "$1"
}

case ${1:-} in
'') ;;
--remove) is_removal=yes ;;
*) fail "unknown argument '$1': ./install.sh, or ./install.sh --remove" ;;
esac
[ "$(id -u)" = 0 ] || fail "run this script as root"
[ -z "${is_removal:-}" ] || remove
! dpkg -s breakwater >/dev/null 2>&1 || fail "the package breakwater is installed; upgrade it with apt, or remove it first"
version=$("$here/usr/bin/breakwater" --version) ||
    fail "this machine cannot run $here/usr/bin/breakwater: it is $(uname -m) with Linux $(uname -r)"

find "$here/usr" -type f | sed "s|^$here/usr/||" | LC_ALL=C sort >"$here/files"
# A program that runs cannot be written to, so each file gets its place by a rename.
while read -r file; do
    mkdir -p "/usr/$(dirname "$file")"
    cp -p "$here/usr/$file" "/usr/$file.new"
    chown root:root "/usr/$file.new"
    mv -f "/usr/$file.new" "/usr/$file"
done <"$here/files"
advice="Nothing was started."
if [ -e "$list" ]; then
    advice="Restart daemons that run, in this order: breakwater-witness, breakwater-guard, breakwater-agent, breakwater-second-enforcer."
    grep -vxF -f "$here/files" "$list" | remove_files
fi
mv -f "$here/files" "$list"
make_user
make_folder /etc/breakwater 0755 root:root
! grep -q '^breakwater:' /etc/passwd || make_folder /var/lib/breakwater 0700 breakwater:breakwater
make_folder /var/lib/breakwater-agent 0700 root:root
command -v bash >/dev/null || echo "The script sets need bash 4.4 or later, which this machine does not have."
[ ! -d /run/systemd/system ] || systemctl daemon-reload
echo "Installed: $version. $advice"
