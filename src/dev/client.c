/* client.c - what the witnesses say of the cluster, asked the way that any program asks. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/bytes.h>
#include <breakwater/sys/clock.h>

#define TIMEOUT_MS         1000
#define CHANGE_TIMEOUT_MS  10000
#define CONNECT_TIMEOUT_MS 1000
#define STATUS_BYTES_MAX   (256 * 1024)

int bw_dev_find_site(const struct bw_dev *dev, const char *name)
{
    for (int i = 0; i < BW_DEV_SITES; i++)
        if (strcmp(dev->sites[i].name, name) == 0)
            return i;
    return -1;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* "" for null and for what is no text. */
static void copy_text(char *out, size_t size, const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL || !bw_copy_text(out, size, text))
        out[0] = '\0';
}

static void join_ids(const json_t *ids, char *out, size_t size)
{
    size_t used = 0;
    json_t *id;
    size_t i;

    out[0] = '\0';
    json_array_foreach(ids, i, id)
    {
        const char *text = json_string_value(id);

        if (text == NULL || used + strlen(text) + 2 > size)
            return;
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ",", text);
    }
}

static void take_site(struct bw_dev *dev, const json_t *site)
{
    const char *name = json_string_value(json_object_get(site, "name"));
    const char *role = json_string_value(json_object_get(site, "role"));
    const int index = name == NULL ? -1 : bw_dev_find_site(dev, name);
    struct bw_dev_site_view *view;

    if (index < 0)
        return;
    view = &dev->view.sites[index];
    view->is_primary = role != NULL && strcmp(role, "primary") == 0;
    view->is_connected = json_is_true(json_object_get(site, "connected"));
    view->has_guard = json_is_true(json_object_get(site, "guard"));
    view->is_serving = json_is_true(json_object_get(site, "serving"));
    copy_text(view->service, sizeof view->service, json_object_get(site, "service"));
    join_ids(json_object_get(site, "blocked_by"), view->blocked_by, sizeof view->blocked_by);
}

static void take_group(struct bw_dev *dev, const json_t *group)
{
    struct bw_dev_view *view = &dev->view;
    json_t *site;
    size_t i;

    copy_text(view->phase, sizeof view->phase, json_object_get(group, "phase"));
    copy_text(view->holder, sizeof view->holder, json_object_get(group, "holder"));
    view->epoch = (uint64_t)json_integer_value(json_object_get(group, "epoch"));
    view->lease_left_ms = (uint64_t)json_integer_value(
        json_object_get(group, "lease_remaining_ms"));
    json_array_foreach(json_object_get(group, "sites"), i, site) take_site(dev, site);
}

/* The view as this witness sees it. One that knows no leader sees too little. False: no answer. */
static bool take_status(struct bw_dev *dev, const char *body, size_t size)
{
    json_error_t error;
    json_t *status = json_loadb(body, size, JSON_REJECT_DUPLICATES, &error);
    const struct bw_dev_view before = dev->view;
    json_t *group;
    size_t i;

    if (status == NULL)
        return false;
    dev->view = (struct bw_dev_view){.is_known = true, .boot_ns = bw_clock_now().boot_ns};
    for (uint32_t site = 0; site < BW_DEV_SITES; site++)
        dev->view.sites[site].has_service = bw_dev_service_lives(&dev->sites[site]);
    dev->view.is_from_leader = json_is_true(json_object_get(status, "leads"));
    copy_text(dev->view.leader, sizeof dev->view.leader, json_object_get(status, "leader"));
    json_array_foreach(json_object_get(status, "groups"), i, group)
    {
        const char *name = json_string_value(json_object_get(group, "name"));

        if (name != NULL && strcmp(name, dev->group) == 0)
            take_group(dev, group);
    }
    json_decref(status);
    bw_dev_screen_compare(dev, &before);
    return dev->view.leader[0] != '\0';
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The leader's view is the one that counts; it is asked next, once it is known. */
static void choose_next(struct bw_dev *dev, bool was_fine)
{
    for (uint32_t i = 0; i < BW_LAB_WITNESSES && was_fine; i++)
        if (strcmp(bw_dev_process(dev, BW_LAB_WITNESS, i)->name, dev->view.leader) == 0) {
            dev->client.asked = i;
            return;
        }
    dev->client.asked = (dev->client.asked + 1) % BW_LAB_WITNESSES;
}

static void on_status(void *user, const struct bw_http_answer *answer)
{
    struct bw_dev *dev = user;

    dev->client.status = NULL;
    if (answer->err == BW_ERR_CANCELED)
        return;
    choose_next(dev, answer->err == BW_OK && answer->status == 200 &&
                         take_status(dev, answer->body, answer->body_size));
}

void bw_dev_client_ask(struct bw_dev *dev)
{
    struct bw_dev_client *client = &dev->client;
    struct bw_diag diag = {0};
    char url[64];
    const struct bw_http_call call = {
        .method = "GET",
        .url = url,
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .response_bytes_max = STATUS_BYTES_MAX,
    };

    if (!client->is_open || client->status != NULL)
        return;
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/v1/status",
                   (unsigned)dev->plan.witnesses[client->asked].api_port);
    client->status = bw_http_client_send(&client->http, &call, on_status, dev, &diag);
    if (client->status == NULL) /* the view grows old, and whoever waits for it says so */
        choose_next(dev, false);
}

/* ---- changing -------------------------------------------------------------------------------- */

json_t *bw_dev_client_spec(const struct bw_dev *dev)
{
    const struct bw_lab_timings *t = &dev->plan.timings;

    return json_pack(
        "{s:s, s:[{s:s, s:i}, {s:s, s:i}], s:s, s:I, s:I, s:I, s:I, s:I, s:i}", "name", dev->group,
        "sites", "name", dev->sites[0].name, "priority", 100, "name", dev->sites[1].name,
        "priority", 50, "mode", "auto", "lease_ttl_ms", (json_int_t)t->lease_ttl_ms,
        "fence_timeout_ms", (json_int_t)t->fence_timeout_ms, "renew_interval_ms",
        (json_int_t)t->renew_interval_ms, "request_timeout_ms", (json_int_t)t->request_timeout_ms,
        "margin_ms", (json_int_t)t->margin_ms, "retry_backoff_ms",
        (json_int_t)t->retry_backoff_ms);
}

static void on_changed(void *user, const struct bw_http_answer *answer)
{
    struct bw_dev_client *client = &((struct bw_dev *)user)->client;

    client->change = NULL;
    client->change_err = answer->err;
    client->change_status = answer->status;
    (void)snprintf(client->change_text, sizeof client->change_text, "%s",
                   answer->err == BW_OK ? answer->body : answer->text);
}

static bool has_changed(struct bw_dev *dev, void *user)
{
    (void)user;
    return dev->client.change == NULL;
}

static enum bw_err judge_change(const struct bw_dev_client *client, const char *path,
                                struct bw_diag *diag)
{
    if (client->change_err != BW_OK)
        return bw_diag_set(diag, client->change_err, "%s: %s", path, client->change_text);
    if (client->change_status / 100 == 2)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED, "%s: status %d: %s", path, client->change_status,
                       client->change_text);
}

enum bw_err bw_dev_client_change(struct bw_dev *dev, const char *method, const char *path,
                                 json_t *body, struct bw_diag *diag)
{
    struct bw_dev_client *client = &dev->client;
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    char url[256];
    struct bw_http_call call = {
        .method = method,
        .url = url,
        .content_type = "application/json",
        .timeout_ms = CHANGE_TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .response_bytes_max = STATUS_BYTES_MAX,
    };
    enum bw_err err;

    json_decref(body);
    if (text == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: out of memory", path);
    call.body = text;
    call.body_size = strlen(text);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u%s",
                   (unsigned)dev->plan.witnesses[client->asked].api_port, path); /* the leader, once known */
    client->change = bw_http_client_send(&client->http, &call, on_changed, dev, diag);
    free(text);
    if (client->change == NULL)
        return bw_diag_wrap(diag, diag->err, "%s", path);
    err = bw_dev_wait(dev, has_changed, NULL, 0, "the answer of the leader", diag);
    return err == BW_OK ? judge_change(client, path, diag) : err;
}

/* ---- life ------------------------------------------------------------------------------------ */

enum bw_err bw_dev_client_open(struct bw_dev *dev, struct bw_diag *diag)
{
    struct bw_dev_client *client = &dev->client;
    char ca[BW_LAB_PATH_BYTES];
    char identity[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(ca, dev->dir, "ca.pem", diag);

    if (err == BW_OK)
        err = bw_lab_path(identity, dev->dir, "dev.pem", diag);
    if (err == BW_OK)
        err = bw_credentials_load(ca, identity, &client->credentials, diag);
    if (err == BW_OK)
        err = bw_http_client_init(&client->http, &dev->loop, NULL, diag);
    if (err != BW_OK)
        return err;
    client->is_open = true;
    return bw_http_client_set_credentials(&client->http, client->credentials, diag);
}

void bw_dev_client_close(struct bw_dev *dev)
{
    struct bw_dev_client *client = &dev->client;

    if (client->is_open)
        bw_http_client_close(&client->http, NULL, NULL);
    client->is_open = false;
    bw_credentials_free(client->credentials);
    client->credentials = NULL;
}
