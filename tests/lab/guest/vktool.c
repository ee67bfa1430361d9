/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vktool: a small Vulkan program, for Venus in a guest and for comparison
 *
 *   vktool copy BYTES SEED        have the device copy words between two
 *                                 host-visible buffers; keep them, and for
 *                                 each line "verify SEED" on standard input
 *                                 compare both with other words; end at
 *                                 another line
 *   vktool picture WIDTH HEIGHT   draw, and read the pixels back
 *   vktool buffers COUNT BYTES    map that many buffers at the same time
 *
 * Each answer is one line of JSON. The exit status is 1 if an operation failed
 * or a word was wrong.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan.h>

#include "../common/words.h"
#include "die.h"
#include "vktool.vert.h"
#include "vktool.frag.h"

#define FORMAT      VK_FORMAT_R8G8B8A8_UNORM
#define PIXEL_BYTES 4
#define MAX_COUNT   4096

static VkPhysicalDevice gpu;
static VkPhysicalDeviceProperties properties;
static VkDevice device;
static VkQueue queue;
static VkCommandBuffer commands;

#define MUST(call) must((call), #call)

static void must(VkResult result, const char *call)
{
    if (result != VK_SUCCESS) {
        die("%.*s: VkResult %d", (int)strcspn(call, "("), call, result);
    }
}

static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    uint64_t value = strtoull(text, &end, 0);

    if (end == text || *end || value > most) {
        die("'%s' is not a number from 0 to %" PRIu64, text, most);
    }
    return value;
}

/*
 * The first device, its first queue family, one command buffer
 */

static void open_gpu(void)
{
    const VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = VK_API_VERSION_1_3,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &app,
    };
    uint32_t count = 1;
    VkInstance instance;
    VkResult result;

    MUST(vkCreateInstance(&info, NULL, &instance));
    result = vkEnumeratePhysicalDevices(instance, &count, &gpu);
    if ((result != VK_SUCCESS && result != VK_INCOMPLETE) || !count) {
        die("no Vulkan device");
    }
    vkGetPhysicalDeviceProperties(gpu, &properties);
}

static void open_device(void)
{
    const float priority = 1;
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkPhysicalDeviceVulkan13Features features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
        .dynamicRendering = VK_TRUE,
        .synchronization2 = VK_TRUE,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
    };

    open_gpu();
    MUST(vkCreateDevice(gpu, &info, NULL, &device));
    vkGetDeviceQueue(device, 0, 0, &queue);
}

static void begin_commands(void)
{
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    };
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };

    MUST(vkCreateCommandPool(device, &pool_info, NULL, &info.commandPool));
    MUST(vkAllocateCommandBuffers(device, &info, &commands));
    MUST(vkBeginCommandBuffer(commands, &begin));
}

static void run_commands(void)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };

    MUST(vkEndCommandBuffer(commands));
    MUST(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE));
    MUST(vkQueueWaitIdle(queue));
}

/*
 * Memory
 */

static uint32_t memory_type(uint32_t allowed, VkMemoryPropertyFlags wanted)
{
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t i;

    vkGetPhysicalDeviceMemoryProperties(gpu, &memory);
    for (i = 0; i < memory.memoryTypeCount; i++) {
        if ((allowed & (1u << i)) &&
            (memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            return i;
        }
    }
    die("no memory type has the flags 0x%x", wanted);
}

static VkDeviceMemory allocate(const VkMemoryRequirements *needs,
                               VkMemoryPropertyFlags flags)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs->size,
        .memoryTypeIndex = memory_type(needs->memoryTypeBits, flags),
    };
    VkDeviceMemory memory;

    MUST(vkAllocateMemory(device, &info, NULL, &memory));
    return memory;
}

/* A buffer that stays mapped while the program runs. */
struct buffer {
    VkBuffer buffer;
    uint64_t *words;
};

static struct buffer make_buffer(VkDeviceSize bytes)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkMemoryRequirements needs;
    VkDeviceMemory memory;
    struct buffer result;

    MUST(vkCreateBuffer(device, &info, NULL, &result.buffer));
    vkGetBufferMemoryRequirements(device, result.buffer, &needs);
    memory = allocate(&needs, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                              VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                              VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    MUST(vkBindBufferMemory(device, result.buffer, memory, 0));
    MUST(vkMapMemory(device, memory, 0, VK_WHOLE_SIZE, 0,
                     (void **)&result.words));
    return result;
}

static void fill(uint64_t *words, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = lab_word(seed, i);
    }
}

static size_t mismatches(const uint64_t *words, size_t count, uint64_t seed)
{
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        bad += words[i] != lab_word(seed, i);
    }
    return bad;
}

/*
 * copy
 */

static void barrier(VkAccessFlags from, VkAccessFlags to,
                    VkPipelineStageFlags from_stage,
                    VkPipelineStageFlags to_stage)
{
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = from,
        .dstAccessMask = to,
    };

    vkCmdPipelineBarrier(commands, from_stage, to_stage, 0, 1, &memory,
                         0, NULL, 0, NULL);
}

static int run_copy(char **arg)
{
    uint64_t bytes = number(arg[0], 1ull << 40), seed = number(arg[1], ~0ull);
    VkBufferCopy whole = { .size = bytes };
    struct buffer from, to;
    char line[80];
    size_t bad;

    open_device();
    from = make_buffer(bytes);
    to = make_buffer(bytes);
    fill(from.words, bytes / 8, seed);
    begin_commands();
    vkCmdCopyBuffer(commands, from.buffer, to.buffer, 1, &whole);
    barrier(VK_ACCESS_TRANSFER_WRITE_BIT, VK_ACCESS_HOST_READ_BIT,
            VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT);
    run_commands();
    bad = mismatches(to.words, bytes / 8, seed);
    printf("{\"device\": \"%s\", \"bytes\": %" PRIu64 ", \"mismatches\": %zu}\n",
           properties.deviceName, bytes, bad);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) &&
           sscanf(line, "verify %" SCNu64, &seed) == 1) {
        size_t wrong = mismatches(from.words, bytes / 8, seed) +
                       mismatches(to.words, bytes / 8, seed);

        printf("{\"mismatches\": %zu}\n", wrong);
        fflush(stdout);
        bad += wrong;
    }
    printf("{\"quit\": true}\n");
    return bad != 0;
}

/*
 * buffers
 */

static int run_buffers(char **arg)
{
    uint64_t count = number(arg[0], MAX_COUNT);
    uint64_t bytes = number(arg[1], 1ull << 40);
    struct buffer *buffers = calloc(count, sizeof(*buffers));
    size_t bad = 0;

    open_device();
    for (uint64_t i = 0; i < count; i++) {
        buffers[i] = make_buffer(bytes);
        fill(buffers[i].words, bytes / 8, i);
    }
    for (uint64_t i = 0; i < count; i++) {
        bad += mismatches(buffers[i].words, bytes / 8, i);
    }
    printf("{\"count\": %" PRIu64 ", \"mismatches\": %zu}\n", count, bad);
    return bad != 0;
}

/*
 * picture
 */

struct target {
    VkImage image;
    VkImageView view;
    VkExtent2D size;
};

static const VkImageSubresourceRange whole_image = {
    .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
    .levelCount = 1,
    .layerCount = 1,
};

static struct target make_target(uint32_t width, uint32_t height)
{
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = FORMAT,
        .extent = { width, height, 1 },
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
                 VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
    };
    VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = FORMAT,
        .subresourceRange = whole_image,
    };
    struct target target = { .size = { width, height } };
    VkMemoryRequirements needs;

    MUST(vkCreateImage(device, &info, NULL, &target.image));
    vkGetImageMemoryRequirements(device, target.image, &needs);
    MUST(vkBindImageMemory(device, target.image, allocate(&needs, 0), 0));
    view.image = target.image;
    MUST(vkCreateImageView(device, &view, NULL, &target.view));
    return target;
}

static VkShaderModule make_shader(const uint32_t *code, size_t bytes)
{
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = bytes,
        .pCode = code,
    };
    VkShaderModule shader;

    MUST(vkCreateShaderModule(device, &info, NULL, &shader));
    return shader;
}

static VkPipeline make_pipeline(VkExtent2D size)
{
    const VkPipelineShaderStageCreateInfo stages[] = {
        {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .stage = VK_SHADER_STAGE_VERTEX_BIT,
            .module = make_shader(vert_code, sizeof(vert_code)),
            .pName = "main",
        }, {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .stage = VK_SHADER_STAGE_FRAGMENT_BIT,
            .module = make_shader(frag_code, sizeof(frag_code)),
            .pName = "main",
        },
    };
    const VkPipelineVertexInputStateCreateInfo input = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
    };
    const VkPipelineInputAssemblyStateCreateInfo assembly = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
        .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
    };
    const VkViewport viewport = {
        .width = size.width, .height = size.height, .maxDepth = 1,
    };
    const VkRect2D scissor = { .extent = size };
    const VkPipelineViewportStateCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
        .viewportCount = 1,
        .pViewports = &viewport,
        .scissorCount = 1,
        .pScissors = &scissor,
    };
    const VkPipelineRasterizationStateCreateInfo raster = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
        .lineWidth = 1,
    };
    const VkPipelineMultisampleStateCreateInfo samples = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
        .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT,
    };
    const VkPipelineColorBlendAttachmentState attachment = {
        .colorWriteMask = 0xf,
    };
    const VkPipelineColorBlendStateCreateInfo blend = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &attachment,
    };
    const VkFormat format = FORMAT;
    const VkPipelineRenderingCreateInfo rendering = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO,
        .colorAttachmentCount = 1,
        .pColorAttachmentFormats = &format,
    };
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
    };
    VkGraphicsPipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .pNext = &rendering,
        .stageCount = 2,
        .pStages = stages,
        .pVertexInputState = &input,
        .pInputAssemblyState = &assembly,
        .pViewportState = &view,
        .pRasterizationState = &raster,
        .pMultisampleState = &samples,
        .pColorBlendState = &blend,
    };
    VkPipeline pipeline;

    MUST(vkCreatePipelineLayout(device, &layout, NULL, &info.layout));
    MUST(vkCreateGraphicsPipelines(device, VK_NULL_HANDLE, 1, &info, NULL,
                                   &pipeline));
    return pipeline;
}

static void change_layout(VkImage image, VkImageLayout from, VkImageLayout to,
                          VkAccessFlags before, VkAccessFlags after)
{
    const VkImageMemoryBarrier change = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = before,
        .dstAccessMask = after,
        .oldLayout = from,
        .newLayout = to,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image,
        .subresourceRange = whole_image,
    };

    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                         VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, NULL,
                         0, NULL, 1, &change);
}

static void draw(const struct target *target)
{
    const VkRenderingAttachmentInfo colour = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
        .imageView = target->view,
        .imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
    };
    const VkRenderingInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
        .renderArea = { .extent = target->size },
        .layerCount = 1,
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
    };

    change_layout(target->image, VK_IMAGE_LAYOUT_UNDEFINED,
                  VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, 0,
                  VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT);
    vkCmdBeginRendering(commands, &info);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS,
                      make_pipeline(target->size));
    vkCmdDraw(commands, 3, 1, 0, 0);
    vkCmdEndRendering(commands);
    change_layout(target->image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                  VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                  VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
                  VK_ACCESS_TRANSFER_READ_BIT);
}

static void read_back(const struct target *target, VkBuffer buffer)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {
            .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
            .layerCount = 1,
        },
        .imageExtent = { target->size.width, target->size.height, 1 },
    };

    vkCmdCopyImageToBuffer(commands, target->image,
                           VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, buffer, 1,
                           &region);
    barrier(VK_ACCESS_TRANSFER_WRITE_BIT, VK_ACCESS_HOST_READ_BIT,
            VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT);
}

/* Prints the FNV-1a hash and the number of distinct first bytes of pixels. */
static void print_picture(const uint8_t *pixels, uint32_t width,
                          uint32_t height)
{
    uint64_t hash = 0xcbf29ce484222325u;
    bool seen[256] = { false };
    unsigned int shades = 0;

    for (size_t i = 0; i < (size_t)width * height * PIXEL_BYTES; i++) {
        hash = (hash ^ pixels[i]) * 0x100000001b3u;
        if (i % PIXEL_BYTES == 0 && !seen[pixels[i]]) {
            seen[pixels[i]] = true;
            shades++;
        }
    }
    printf("{\"device\": \"%s\", \"width\": %u, \"height\": %u, "
           "\"shades\": %u, \"hash\": \"%016" PRIx64 "\"}\n",
           properties.deviceName, width, height, shades, hash);
}

static int run_picture(char **arg)
{
    uint32_t width = number(arg[0], 8192), height = number(arg[1], 8192);
    struct target target;
    struct buffer pixels;

    open_device();
    target = make_target(width, height);
    pixels = make_buffer((VkDeviceSize)width * height * PIXEL_BYTES);
    begin_commands();
    draw(&target);
    read_back(&target, pixels.buffer);
    run_commands();
    print_picture((uint8_t *)pixels.words, width, height);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "copy")) {
        return run_copy(argv + 2);
    }
    if (argc == 4 && !strcmp(argv[1], "buffers")) {
        return run_buffers(argv + 2);
    }
    if (argc == 4 && !strcmp(argv[1], "picture")) {
        return run_picture(argv + 2);
    }
    die("usage: vktool copy BYTES SEED | buffers COUNT BYTES | "
        "picture WIDTH HEIGHT");
}
