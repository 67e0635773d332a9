/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel over a picture: blurs it on the GPU and on the CPU, and compares.
 *
 *     image [IN.ppm [OUT.ppm]]
 *
 * Without a picture (a binary PPM, 8 bits) it makes one: a part of the Mandelbrot set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu.h>

/* Weights 1 4 6 4 1 in both directions, in whole numbers: every device comes to the same. */
static const char source[] =
    "kernel void blur(global const uchar *in, global uchar *out, int width, int height)\n"
    "{\n"
    "    const int weights[5] = {1, 4, 6, 4, 1};\n"
    "    int x = get_global_id(0), y = get_global_id(1);\n"
    "    for (int c = 0; c < 3; c++) {\n"
    "        int sum = 0;\n"
    "        for (int j = -2; j <= 2; j++)\n"
    "            for (int i = -2; i <= 2; i++)\n"
    "                sum += weights[i + 2] * weights[j + 2] *\n"
    "                       in[(clamp(y + j, 0, height - 1) * width +\n"
    "                           clamp(x + i, 0, width - 1)) * 3 + c];\n"
    "        out[(y * width + x) * 3 + c] = (sum + 128) / 256;\n"
    "    }\n"
    "}\n";

struct picture {
    int width, height;
    unsigned char *bytes; /* red, green, blue, row by row */
    size_t length;
};

static int clamp(int value, int most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

static void blur_on_cpu(const struct picture *in, unsigned char *out)
{
    static const int weights[5] = {1, 4, 6, 4, 1};

    for (int y = 0; y < in->height; y++) {
        for (int x = 0; x < in->width; x++) {
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int j = -2; j <= 2; j++)
                    for (int i = -2; i <= 2; i++)
                        sum += weights[i + 2] * weights[j + 2] *
                               in->bytes[((size_t)clamp(y + j, in->height - 1) * in->width +
                                          clamp(x + i, in->width - 1)) *
                                             3 +
                                         c];
                out[((size_t)y * in->width + x) * 3 + c] = (unsigned char)((sum + 128) / 256);
            }
        }
    }
}

static int blur_on_gpu(VgpuContext *gpu, const struct picture *in, unsigned char *out)
{
    const size_t global[2] = {(size_t)in->width, (size_t)in->height};
    VgpuProgram program;
    VgpuKernel kernel;
    VgpuBuffer from, to;
    VgpuEvent event;
    VgpuEventTimes times;

    /* None of these waits: if one fails, vgpu_buffer_read() tells. But a build's end is awaited. */
    vgpu_program_from_source(gpu, source, &program);
    int code = vgpu_program_build(gpu, program, NULL);
    if (code == VGPU_E_BUILD) {
        char log[4096];
        if (vgpu_program_log(gpu, program, log, sizeof(log), NULL) == VGPU_OK)
            fputs(log, stderr);
    }
    if (code != VGPU_OK)
        return code;
    vgpu_kernel_create(gpu, program, "blur", &kernel);
    vgpu_buffer_create(gpu, in->length, &from);
    vgpu_buffer_create(gpu, in->length, &to);
    vgpu_buffer_write(gpu, from, 0, in->bytes, in->length, NULL);
    vgpu_kernel_arg_buffer(gpu, kernel, 0, from);
    vgpu_kernel_arg_buffer(gpu, kernel, 1, to);
    vgpu_kernel_arg(gpu, kernel, 2, &in->width, sizeof(in->width));
    vgpu_kernel_arg(gpu, kernel, 3, &in->height, sizeof(in->height));
    vgpu_launch(gpu, kernel, 2, NULL, global, NULL, &event);
    code = vgpu_buffer_read(gpu, to, 0, out, in->length, NULL);
    if (code == VGPU_OK && vgpu_event_times(gpu, event, &times) == VGPU_OK && times.ended != 0)
        printf("the kernel took %.3f ms\n", (double)(times.ended - times.started) / 1e6);
    return code;
}

static void paint(struct picture *picture)
{
    for (int y = 0; y < picture->height; y++) {
        for (int x = 0; x < picture->width; x++) {
            double cr = (double)x / picture->width * 3.0 - 2.2;
            double ci = (double)y / picture->height * 2.4 - 1.2;
            double r = 0, i = 0;
            int steps = 0;
            for (; steps < 96 && r * r + i * i < 4; steps++) {
                double next = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = next;
            }
            unsigned char *pixel = picture->bytes + ((size_t)y * picture->width + x) * 3;
            pixel[0] = (unsigned char)(steps * 37);
            pixel[1] = (unsigned char)(steps * 11 + x);
            pixel[2] = (unsigned char)(steps * 5 + y);
        }
    }
}

static int read_picture(struct picture *picture, const char *path)
{
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    int most = 255;

    *picture = (struct picture){.width = 512, .height = 384};
    if (path != NULL && file == NULL) {
        perror(path);
        return 0;
    }
    if (file != NULL &&
        (fscanf(file, "P6 %d %d %d", &picture->width, &picture->height, &most) != 3 ||
         fgetc(file) == EOF)) {
        fprintf(stderr, "%s: not a binary PPM\n", path);
        fclose(file);
        return 0;
    }
    int good = most == 255 && picture->width > 0 && picture->height > 0 &&
               picture->width <= 16384 && picture->height <= 16384;
    if (good) {
        picture->length = (size_t)picture->width * (size_t)picture->height * 3;
        picture->bytes = malloc(picture->length);
        good = picture->bytes != NULL;
    }
    if (good && file == NULL)
        paint(picture);
    else if (good)
        good = fread(picture->bytes, 1, picture->length, file) == picture->length;
    if (!good)
        fprintf(stderr, "%s: too large, cut off, or not of 8 bits\n", path);
    if (file != NULL)
        fclose(file);
    return good;
}

static int write_picture(const struct picture *picture, const unsigned char *bytes,
                         const char *path)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL) {
        perror(path);
        return 0;
    }
    fprintf(file, "P6 %d %d 255\n", picture->width, picture->height);
    size_t written = fwrite(bytes, 1, picture->length, file);
    if (fclose(file) != 0 || written != picture->length) {
        perror(path);
        return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct picture picture;
    VgpuContext *gpu;

    if (!read_picture(&picture, argc > 1 ? argv[1] : NULL))
        return 1;
    unsigned char *by_gpu = calloc(2, picture.length), *by_cpu = by_gpu + picture.length;
    if (by_gpu == NULL)
        return 1;
    int code = vgpu_open(&gpu, NULL);
    if (code == VGPU_OK)
        code = blur_on_gpu(gpu, &picture, by_gpu);
    vgpu_close(gpu);
    if (code != VGPU_OK) {
        fprintf(stderr, "%s\n", vgpu_last_error());
        return 1;
    }
    blur_on_cpu(&picture, by_cpu);
    int same = memcmp(by_gpu, by_cpu, picture.length) == 0;
    printf("%d x %d pixels: GPU and CPU %s\n", picture.width, picture.height,
           same ? "agree" : "DIFFER");
    if (argc > 2 && !write_picture(&picture, by_gpu, argv[2]))
        return 1;
    free(by_gpu);
    free(picture.bytes);
    return !same;
}
