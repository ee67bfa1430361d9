#include "trace/trace-hw_xen_hostmem.h"
