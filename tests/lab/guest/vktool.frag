/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Mandelbrot set: an arithmetic error changes the picture. */
#version 450

layout(location = 0) in vec2 place;
layout(location = 0) out vec4 colour;

void main()
{
    vec2 c = vec2(place.x * 3.0 - 2.2, place.y * 2.4 - 1.2);
    vec2 z = vec2(0.0);
    int n = 0;

    while (n < 64 && dot(z, z) < 4.0) {
        z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;
        n++;
    }
    colour = n == 64 ? vec4(0.0, 0.0, 0.0, 1.0) :
             vec4(n / 64.0, place.x * n / 64.0, place.y, 1.0);
}
