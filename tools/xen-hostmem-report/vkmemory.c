/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vkmemory: how fast each host visible memory type of a Vulkan device is, and
 * whether the device and this program see the same words there
 *
 *   vkmemory BYTES SAMPLES ROUNDS
 *
 * The first line of JSON says that the device is open. For each memory type
 * there are two: the first when memory of that type is mapped and was touched,
 * and the second with the results. The last line has "types", their number.
 * After the first line, and after each that says that memory is mapped, the
 * program waits for a line on standard input, so that others can look at what
 * is mapped.
 *
 * Speed is measured in turn with the program's own memory. A round of the
 * coherency test has the device overwrite what the processor has just read
 * (fill), and copy what the processor has just written (copy). No cache is
 * flushed by hand: the memory types are coherent, as they say.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vulkan/vulkan.h>

#define LIMIT_NS        (120ull * 1000 * 1000 * 1000)
#define MIN_SAMPLE_US   5000
#define MAX_PASSES      65536u

#define WANTED  (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | \
                 VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
/* Types that need a feature, or are not for programs' data. */
#define UNWANTED (VK_MEMORY_PROPERTY_PROTECTED_BIT | \
                  VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | \
                  VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | \
                  VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD)

/* 8-byte accesses, one by one: keeps the compiler from combining them. */
#define WORD_BY_WORD \
    __attribute__((noinline, optimize("no-tree-vectorize", \
                                      "no-tree-loop-distribute-patterns")))

static VkPhysicalDevice gpu;
static VkDevice device;
static VkQueue queue;
static VkCommandBuffer commands;
static VkFence fence;

/* Memory of one type: two buffers, which stay mapped. */
struct pair {
    VkBuffer buffer[2];
    VkDeviceMemory memory[2];
    uint64_t *words[2];
    size_t count;
};

/* What messages hold comes from Vulkan's drivers, so it may be anything. */
static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = *text;

        putchar(c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c);
    }
    putchar('"');
}

static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    printf("{\"error\": ");
    print_text(text);
    printf("}\n");
    fflush(stdout);
    exit(1);
}

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

    if (end == text || *end || !value || value > most) {
        die("'%s' is not a number from 1 to %" PRIu64, text, most);
    }
    return value;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/*
 * The first device and its first queue family that can copy
 */

static void open_instance(void)
{
    const VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = VK_API_VERSION_1_2,
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
        die("there is no Vulkan device");
    }
}

static void open_device(void)
{
    const float priority = 1;
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
    };
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
    };
    const VkFenceCreateInfo fence_info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
    };
    VkCommandBufferAllocateInfo buffers = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };

    MUST(vkCreateDevice(gpu, &info, NULL, &device));
    vkGetDeviceQueue(device, 0, 0, &queue);
    MUST(vkCreateCommandPool(device, &pool_info, NULL, &buffers.commandPool));
    MUST(vkAllocateCommandBuffers(device, &buffers, &commands));
    MUST(vkCreateFence(device, &fence_info, NULL, &fence));
}

static void begin(void)
{
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };

    MUST(vkBeginCommandBuffer(commands, &info));
}

/* Runs the commands; the host sees what they have written. */
static void run(void)
{
    const VkMemoryBarrier written = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };

    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &written,
                         0, NULL, 0, NULL);
    MUST(vkEndCommandBuffer(commands));
    MUST(vkQueueSubmit(queue, 1, &submit, fence));
    MUST(vkWaitForFences(device, 1, &fence, VK_TRUE, LIMIT_NS));
    MUST(vkResetFences(device, 1, &fence));
}

/*
 * Memory
 */

/* Returns whether buffers can have this type, and there was memory. */
static bool pair_open(struct pair *p, size_t bytes, uint32_t type)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };

    memset(p, 0, sizeof(*p));
    p->count = bytes / sizeof(uint64_t);
    for (int i = 0; i < 2; i++) {
        VkMemoryAllocateInfo allocate = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .memoryTypeIndex = type,
        };
        VkMemoryRequirements needs;

        MUST(vkCreateBuffer(device, &info, NULL, &p->buffer[i]));
        vkGetBufferMemoryRequirements(device, p->buffer[i], &needs);
        allocate.allocationSize = needs.size;
        if (!(needs.memoryTypeBits & (1u << type)) ||
            vkAllocateMemory(device, &allocate, NULL, &p->memory[i])) {
            return false;
        }
        MUST(vkBindBufferMemory(device, p->buffer[i], p->memory[i], 0));
        if (vkMapMemory(device, p->memory[i], 0, VK_WHOLE_SIZE, 0,
                        (void **)&p->words[i])) {
            p->words[i] = NULL;
            return false;
        }
    }
    return true;
}

static void pair_close(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        vkDestroyBuffer(device, p->buffer[i], NULL);
        vkFreeMemory(device, p->memory[i], NULL);
    }
}

static WORD_BY_WORD void write_words(uint64_t *words, size_t count,
                                     uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = base + i;
    }
    __asm__ volatile("" : : "r"(words) : "memory");
}

static WORD_BY_WORD uint64_t read_words(const uint64_t *words, size_t count)
{
    uint64_t sum = 0;

    __asm__ volatile("" : : "r"(words) : "memory");
    for (size_t i = 0; i < count; i++) {
        sum += words[i];
    }
    return sum;
}

static WORD_BY_WORD size_t wrong_words(const uint64_t *words, size_t count,
                                       uint64_t base, uint64_t step)
{
    size_t wrong = 0;

    __asm__ volatile("" : : "r"(words) : "memory");
    for (size_t i = 0; i < count; i++) {
        wrong += words[i] != base + i * step;
    }
    return wrong;
}

/*
 * Speed
 */

static uint64_t sink;

/* Returns MB/s. */
static double speed(uint64_t *words, size_t count, bool write)
{
    unsigned int passes = 0, limit = 1;
    double start = now_us(), took;

    do {
        for (; passes < limit; passes++) {
            if (write) {
                write_words(words, count, passes);
            } else {
                sink += read_words(words, count);
            }
        }
        took = now_us() - start;
        limit *= 2;
    } while (took < MIN_SAMPLE_US && limit <= MAX_PASSES);
    return (double)passes * count * sizeof(*words) / took;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts @values. */
static double median(double *values, unsigned int count)
{
    qsort(values, count, sizeof(*values), compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void print_speed(const char *name, uint64_t *words, uint64_t *ram,
                        size_t count, unsigned int samples, bool write)
{
    double *ours = calloc(samples, sizeof(double));
    double *own = calloc(samples, sizeof(double));
    double *ratio = calloc(samples, sizeof(double));

    if (!ours || !own || !ratio) {
        die("no memory");
    }
    for (unsigned int i = 0; i < samples; i++) {
        ours[i] = speed(words, count, write);
        own[i] = speed(ram, count, write);
        ratio[i] = ours[i] / own[i];
    }
    printf(", \"%s_mb_s\": %.6g, \"ram_%s_mb_s\": %.6g, \"%s_ratio\": %.6g",
           name, median(ours, samples), name, median(own, samples),
           name, median(ratio, samples));
    free(ours);
    free(own);
    free(ratio);
}

/*
 * Coherency
 */

/* The device writes what this program has just read. */
static size_t fill_round(struct pair *p, uint32_t round)
{
    uint64_t word = (uint64_t)round << 32 | round;

    sink += read_words(p->words[1], p->count);
    begin();
    vkCmdFillBuffer(commands, p->buffer[1], 0, VK_WHOLE_SIZE, round);
    run();
    return wrong_words(p->words[1], p->count, word, 0);
}

/* The device copies what this program has just written. */
static size_t copy_round(struct pair *p, uint32_t round)
{
    const VkBufferCopy whole = { .size = p->count * sizeof(uint64_t) };
    uint64_t base = (uint64_t)round << 40;

    sink += read_words(p->words[0], p->count);
    write_words(p->words[0], p->count, base);
    begin();
    vkCmdCopyBuffer(commands, p->buffer[0], p->buffer[1], 1, &whole);
    run();
    return wrong_words(p->words[1], p->count, base, 1);
}

/*
 * The output
 */

static void print_flags(VkMemoryPropertyFlags flags)
{
    static const struct {
        VkMemoryPropertyFlags flag;
        const char *name;
    } names[] = {
        { VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, "device-local" },
        { VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, "host-visible" },
        { VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, "host-coherent" },
        { VK_MEMORY_PROPERTY_HOST_CACHED_BIT, "host-cached" },
    };
    const char *comma = "";

    printf("\"flags\": [");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (flags & names[i].flag) {
            printf("%s\"%s\"", comma, names[i].name);
            comma = ", ";
        }
    }
    printf("]");
}

static bool wait_for_line(void)
{
    int c;

    fflush(stdout);
    while ((c = getchar()) != '\n') {
        if (c == EOF) {
            return false;
        }
    }
    return true;
}

/* Returns false if nobody listens any more. */
static bool examine(uint32_t type, VkMemoryPropertyFlags flags, uint64_t *ram,
                    size_t bytes, unsigned int samples, unsigned int rounds)
{
    size_t wrong_fill = 0, wrong_copy = 0;
    struct pair p;
    bool listens;

    if (!pair_open(&p, bytes, type)) {
        pair_close(&p);
        return true;
    }
    write_words(p.words[0], p.count, 0);
    write_words(p.words[1], p.count, 0);
    printf("{\"mapped\": %u}\n", type);
    listens = wait_for_line();
    printf("{\"type\": %u, \"bytes\": %zu, ", type, bytes);
    print_flags(flags);
    print_speed("write", p.words[0], ram, p.count, samples, true);
    print_speed("read", p.words[0], ram, p.count, samples, false);
    for (uint32_t i = 1; i <= rounds; i++) {
        wrong_fill += fill_round(&p, i);
        wrong_copy += copy_round(&p, i);
    }
    printf(", \"rounds\": %u, \"wrong_fill\": %zu, \"wrong_copy\": %zu}\n",
           rounds, wrong_fill, wrong_copy);
    fflush(stdout);
    pair_close(&p);
    return listens;
}

static void print_device(uint32_t types)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &driver,
    };

    vkGetPhysicalDeviceProperties2(gpu, &properties);
    printf("{\"types\": %u, \"device\": ", types);
    print_text(properties.properties.deviceName);
    printf(", \"driver\": ");
    print_text(driver.driverName);
    printf(", \"version\": ");
    print_text(driver.driverInfo);
    printf("}\n");
}

int main(int argc, char **argv)
{
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t types = 0;
    uint64_t *ram;
    size_t bytes;

    if (argc != 4) {
        die("usage: vkmemory BYTES SAMPLES ROUNDS");
    }
    bytes = number(argv[1], 1u << 30) & ~(size_t)4095;
    ram = aligned_alloc(4096, bytes ? bytes : 4096);
    if (!bytes || !ram) {
        die("no memory for '%s' bytes", argv[1]);
    }
    write_words(ram, bytes / sizeof(*ram), 0);
    open_instance();
    open_device();
    printf("{\"ready\": true}\n");
    if (!wait_for_line()) {
        die("nobody answers");
    }
    vkGetPhysicalDeviceMemoryProperties(gpu, &memory);
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;

        if ((flags & WANTED) != WANTED || flags & UNWANTED) {
            continue;
        }
        types++;
        if (!examine(i, flags, ram, bytes, number(argv[2], 1000),
                     number(argv[3], 1000000))) {
            die("nobody answers");
        }
    }
    print_device(types);
    return 0;
}
