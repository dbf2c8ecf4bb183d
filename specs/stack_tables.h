#pragma once
/* Inside specs only: the tables by which a stack file is decoded, one of each kind of object, for
 * the reference and the schema. Each is defined beside its decoder. */
#include "specs/field.h"

struct field_table {
    const struct field *rows;
    size_t count;
};
#define FIELD_TABLE(rows)     \
    {                         \
        rows, ARRAY_LEN(rows) \
    }

extern const struct field_table stack_attachment_table;
extern const struct field_table stack_config_table;
extern const struct field_table stack_dependency_table;
extern const struct field_table stack_device_table;
extern const struct field_table stack_env_file_table;
extern const struct field_table stack_extension_table;
extern const struct field_table stack_files_table;
extern const struct field_table stack_grant_table;
extern const struct field_table stack_health_table;
extern const struct field_table stack_health_http_table;
extern const struct field_table stack_inclusion_table;
extern const struct field_table stack_listen_table;
extern const struct field_table stack_logging_table;
extern const struct field_table stack_logging_option_table;
extern const struct field_table stack_mount_table;
extern const struct field_table stack_network_table;
extern const struct field_table stack_port_table;
extern const struct field_table stack_proxy_table;
extern const struct field_table stack_rootfs_table;
extern const struct field_table stack_route_table;
extern const struct field_table stack_secret_table;
extern const struct field_table stack_service_table;
extern const struct field_table stack_subnet_table;
extern const struct field_table stack_timeout_table;
extern const struct field_table stack_top_table;
extern const struct field_table stack_ulimit_table;
extern const struct field_table stack_volume_table;
