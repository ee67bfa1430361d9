/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions that tested files use; the tests implement them. */
#ifndef VIRGLRENDERER_H
#define VIRGLRENDERER_H

#define VIRGL_VERSION_MAJOR 1

int virgl_renderer_resource_map(uint32_t res, void **map, uint64_t *size);
int virgl_renderer_resource_unmap(uint32_t res);
int virgl_renderer_resource_get_map_info(uint32_t res, uint32_t *info);
void virgl_renderer_force_ctx_0(void);
void virgl_renderer_context_destroy(uint32_t handle);

#endif
