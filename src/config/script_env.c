#include <breakwater/config/script_env.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

/* One after the other, each with its NUL; false: no memory. */
static bool write_all(const struct bw_script_order *order, FILE *text)
{
#define X(name, is_set, format, value)                                                             \
    if (is_set)                                                                                    \
        (void)fprintf(text, "BREAKWATER_" #name "=" format "%c", value, '\0');
    BW_SCRIPT_VARIABLES(X)
#undef X
    for (uint32_t i = 0; i < order->group->env_count; i++)
        (void)fprintf(text, "%s%s=%s%c", order->carries_env ? BW_SCRIPT_ENV_CARRIED : "",
                      order->group->env[i].name, order->group->env[i].value, '\0');
    return ferror(text) == 0; /* it says so of all of them */
}

enum bw_err bw_script_env_init(struct bw_script_env *env, const struct bw_script_order *order,
                               struct bw_diag *diag)
{
    size_t size = 0;
    size_t count = 0;
    FILE *text;
    bool is_whole;

    *env = (struct bw_script_env){0};
    text = open_memstream(&env->text, &size);
    is_whole = text != NULL && write_all(order, text);
    if (text != NULL && fclose(text) != 0)
        is_whole = false;
    if (!is_whole)
        return bw_diag_set(diag, BW_ERR_NOMEM, "build the environment of a script");
    for (const char *at = env->text; at < env->text + size; at += strlen(at) + 1) {
        BW_ASSERT(count < BW_SCRIPT_VARIABLE_COUNT + BW_ENV_MAX); /* a file with more is refused */
        env->list[count++] = at;
    }
    return BW_OK;
}

void bw_script_env_deinit(struct bw_script_env *env)
{
    free(env->text);
    env->text = NULL;
}
