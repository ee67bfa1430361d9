/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gltool BYTES SEED: have the device copy words from one GL buffer to another
 * while both stay mapped (GL_EXT_buffer_storage), for virgl in a guest
 *
 * It prints one line of JSON and keeps the buffers until a line arrives on
 * standard input. The exit status is 1 if an operation failed or a word was
 * wrong.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <epoxy/egl.h>
#include <epoxy/gl.h>

#include "../common/words.h"

static void die(const char *what)
{
    printf("{\"error\": \"%s\"}\n", what);
    exit(1);
}

static void open_gl(void)
{
    static const EGLint attributes[] = { EGL_CONTEXT_MAJOR_VERSION, 3, EGL_NONE };
    EGLDisplay display = eglGetPlatformDisplayEXT(EGL_PLATFORM_SURFACELESS_MESA,
                                                  EGL_DEFAULT_DISPLAY, NULL);
    EGLContext context;

    if (!eglInitialize(display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API)) {
        die("no surfaceless EGL display");
    }
    context = eglCreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT,
                               attributes);
    if (!eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context)) {
        die("no OpenGL ES 3 context");
    }
    if (!epoxy_has_gl_extension("GL_EXT_buffer_storage")) {
        die("no GL_EXT_buffer_storage");
    }
}

/* Creates a persistently mapped buffer. */
static uint64_t *make_buffer(GLenum target, size_t bytes)
{
    const GLbitfield flags = GL_MAP_READ_BIT | GL_MAP_WRITE_BIT |
                             GL_MAP_PERSISTENT_BIT | GL_MAP_COHERENT_BIT;
    GLuint name;
    uint64_t *words;

    glGenBuffers(1, &name);
    glBindBuffer(target, name);
    glBufferStorageEXT(target, bytes, NULL, flags);
    words = glMapBufferRange(target, 0, bytes, flags);
    if (!words) {
        die("the buffer cannot be mapped");
    }
    return words;
}

int main(int argc, char **argv)
{
    size_t bytes = argc == 3 ? strtoull(argv[1], NULL, 0) : 0, bad = 0;
    uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
    uint64_t *from, *to;

    if (!bytes) {
        die("usage: gltool BYTES SEED");
    }
    open_gl();
    from = make_buffer(GL_COPY_READ_BUFFER, bytes);
    to = make_buffer(GL_COPY_WRITE_BUFFER, bytes);
    for (size_t i = 0; i < bytes / 8; i++) {
        from[i] = lab_word(seed, i);
    }
    glCopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, 0, bytes);
    glFinish();
    for (size_t i = 0; i < bytes / 8; i++) {
        bad += to[i] != lab_word(seed, i);
    }
    printf("{\"renderer\": \"%s\", \"mismatches\": %zu}\n",
           glGetString(GL_RENDERER), bad);
    fflush(stdout);
    getchar();
    printf("{\"quit\": true}\n");
    return bad != 0;
}
