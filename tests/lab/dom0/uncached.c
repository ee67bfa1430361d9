/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uncached: a Vulkan layer that hides VK_MEMORY_PROPERTY_HOST_CACHED_BIT
 *
 * lavapipe has cached memory only.  Below this layer it looks like a GPU driver
 * whose host visible memory is write-combined, so the renderer answers so for
 * the blobs of that memory.  uncached.json describes the layer to the loader;
 * VK_INSTANCE_LAYERS enables it.
 */
#include <string.h>

#include <vulkan/vulkan.h>
#include <vulkan/vk_layer.h>

/*
 * Of the next layer, or the loader.  These functions are the same for all
 * instances of a process.
 */
static PFN_vkGetInstanceProcAddr next_get_instance_proc_addr;
static PFN_vkGetPhysicalDeviceMemoryProperties next_properties;
static PFN_vkGetPhysicalDeviceMemoryProperties2 next_properties2;

static void hide_cached(VkPhysicalDeviceMemoryProperties *memory)
{
    for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
        if (memory->memoryTypes[i].propertyFlags &
            VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
            memory->memoryTypes[i].propertyFlags &=
                ~VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
        }
    }
}

static VKAPI_ATTR void VKAPI_CALL
uncached_properties(VkPhysicalDevice gpu, VkPhysicalDeviceMemoryProperties *out)
{
    next_properties(gpu, out);
    hide_cached(out);
}

static VKAPI_ATTR void VKAPI_CALL
uncached_properties2(VkPhysicalDevice gpu,
                     VkPhysicalDeviceMemoryProperties2 *out)
{
    next_properties2(gpu, out);
    hide_cached(&out->memoryProperties);
}

/* Where the loader says what is below this layer. */
static VkLayerInstanceCreateInfo *find_link(const VkInstanceCreateInfo *info)
{
    const VkBaseInStructure *s;

    for (s = info->pNext; s; s = s->pNext) {
        VkLayerInstanceCreateInfo *layer = (VkLayerInstanceCreateInfo *)s;

        if (s->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO &&
            layer->function == VK_LAYER_LINK_INFO) {
            return layer;
        }
    }
    return NULL;
}

static VKAPI_ATTR VkResult VKAPI_CALL
uncached_create_instance(const VkInstanceCreateInfo *info,
                         const VkAllocationCallbacks *allocator,
                         VkInstance *instance)
{
    VkLayerInstanceCreateInfo *link = find_link(info);
    PFN_vkGetInstanceProcAddr get;
    PFN_vkCreateInstance create;
    VkResult result;

    if (!link || !link->u.pLayerInfo) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    create = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
    result = create ? create(info, allocator, instance)
                    : VK_ERROR_INITIALIZATION_FAILED;
    if (result != VK_SUCCESS) {
        return result;
    }
    next_get_instance_proc_addr = get;
    next_properties = (PFN_vkGetPhysicalDeviceMemoryProperties)
        get(*instance, "vkGetPhysicalDeviceMemoryProperties");
    next_properties2 = (PFN_vkGetPhysicalDeviceMemoryProperties2)
        get(*instance, "vkGetPhysicalDeviceMemoryProperties2");
    if (!next_properties2) {
        next_properties2 = (PFN_vkGetPhysicalDeviceMemoryProperties2)
            get(*instance, "vkGetPhysicalDeviceMemoryProperties2KHR");
    }
    return VK_SUCCESS;
}

static const struct {
    const char *name;
    PFN_vkVoidFunction function;
} ours[] = {
    { "vkCreateInstance", (PFN_vkVoidFunction)uncached_create_instance },
    { "vkGetPhysicalDeviceMemoryProperties",
      (PFN_vkVoidFunction)uncached_properties },
    { "vkGetPhysicalDeviceMemoryProperties2",
      (PFN_vkVoidFunction)uncached_properties2 },
    { "vkGetPhysicalDeviceMemoryProperties2KHR",
      (PFN_vkVoidFunction)uncached_properties2 },
};

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
uncached_get_instance_proc_addr(VkInstance instance, const char *name)
{
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (!strcmp(name, ours[i].name)) {
            return ours[i].function;
        }
    }
    return next_get_instance_proc_addr ?
           next_get_instance_proc_addr(instance, name) : NULL;
}

/* The only symbol that the loader looks for */
__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *loader)
{
    if (loader->loaderLayerInterfaceVersion < 2) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    loader->loaderLayerInterfaceVersion = 2;
    loader->pfnGetInstanceProcAddr = uncached_get_instance_proc_addr;
    loader->pfnGetDeviceProcAddr = NULL;    /* nothing of a device is changed */
    loader->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
