// SPDX-License-Identifier: GPL-2.0-only
/*
 * The region as a pool of bounce buffers: granules of 2 KiB, first fit, so that the same few pages are used again and again.
 *
 * All bookkeeping is in the guest's own memory. The device can write anything into the region; it can change no address, no
 * length and no owner.
 *
 * Most of what is on the way of a mapping is inlined, for the reason given in fast.h, where there is a shorter way for what is small.
 */
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include "fast.h"

/* Granules that a page takes; what is at least a page long starts on one, so that a backend can read into it directly. */
#define VRD_PAGE_GRANULES	(PAGE_SIZE >> VRD_GRANULE_SHIFT)
/* Bytes of one round of the copy loop. */
#define VRD_ROUND		(8 * sizeof(u64))
/* Granules of an allocation that lies in one word of the bitmap wherever it is. */
#define VRD_SMALL		(VRD_PAGE_GRANULES == 2 ? 2 : 1)

static unsigned int granules_of(size_t size)
{
	return (size + VRD_GRANULE - 1) >> VRD_GRANULE_SHIFT;
}

/* Takes the granules of a mask in one word; false when one of them is in use. */
static __always_inline bool claim(unsigned long *word, unsigned long mask)
{
	unsigned long old = READ_ONCE(*word);

	do {
		if (old & mask)
			return false;
	} while (!try_cmpxchg(word, &old, old | mask));
	return true;
}

static __always_inline void release(unsigned long *word, unsigned long mask)
{
	atomic_long_andnot(mask, (atomic_long_t *)word);
}

/* What of a range lies in the word of its first granule. */
static unsigned long first_mask(unsigned long index, unsigned int count)
{
	unsigned int bit = index % BITS_PER_LONG;

	return GENMASK(min_t(unsigned int, bit + count, BITS_PER_LONG) - 1, bit);
}

static void release_range(unsigned long *bitmap, unsigned long index, unsigned int count)
{
	while (count) {
		unsigned int here = min_t(unsigned int, count, BITS_PER_LONG - index % BITS_PER_LONG);

		release(&bitmap[index / BITS_PER_LONG], first_mask(index, count));
		index += here;
		count -= here;
	}
}

static bool claim_range(unsigned long *bitmap, unsigned long index, unsigned int count)
{
	unsigned int done = 0;

	while (done < count) {
		unsigned long at = index + done;

		if (!claim(&bitmap[at / BITS_PER_LONG], first_mask(at, count - done))) {
			release_range(bitmap, index, done);
			return false;
		}
		done += min_t(unsigned int, count - done, BITS_PER_LONG - at % BITS_PER_LONG);
	}
	return true;
}

/* Every second bit: where a pair of granules may begin. */
#define VRD_EVEN_BITS	(~0UL / 3)

/*
 * A granule, or a pair that starts on a page: nearly all that is ever mapped. Without a lock: taking one with interrupts off costs as
 * much as the rest. Full words in front are left out the next time.
 */
static __always_inline unsigned long take_small(struct vrd_pool *pool, struct vrd_area *area, unsigned int count)
{
	unsigned long all = count == 1 ? 1UL : 3UL;
	unsigned int first = READ_ONCE(area->lowest), word;
	unsigned long bit, free;
	bool full = true;

	for (word = first; word * BITS_PER_LONG < area->end; word++) {
		while ((free = ~READ_ONCE(pool->bitmap[word]))) {
			if (full && word != first)
				WRITE_ONCE(area->lowest, word);
			full = false;
			if (count > 1)
				free &= free >> 1 & VRD_EVEN_BITS;
			if (!free)
				break;
			bit = __ffs(free);
			if (claim(&pool->bitmap[word], all << bit))
				return word * BITS_PER_LONG + bit;
		}
	}
	return area->end;
}

/* Others may take some of what was found in between; they will not for ever. */
#define VRD_ATTEMPTS	64

static noinline unsigned long take_large(struct vrd_pool *pool, struct vrd_area *area, unsigned int count, unsigned long align_mask)
{
	unsigned long flags, index = area->end, start = READ_ONCE(area->lowest) * BITS_PER_LONG;
	unsigned int attempt;

	spin_lock_irqsave(&area->lock, flags);
	for (attempt = 0; attempt < VRD_ATTEMPTS; attempt++) {
		index = bitmap_find_next_zero_area(pool->bitmap, area->end, start, count, align_mask);
		if (index < area->end && claim_range(pool->bitmap, index, count))
			break;
		if (index >= area->end && start == area->first)
			attempt = VRD_ATTEMPTS;
		start = area->first;
		index = area->end;
	}
	spin_unlock_irqrestore(&area->lock, flags);
	return index;
}

/* Where a search begins is a hint. */
static noinline unsigned long take_anywhere(struct vrd_pool *pool, struct vrd_area *area, unsigned int count)
{
	WRITE_ONCE(area->lowest, area->first / BITS_PER_LONG);
	return take_small(pool, area, count);
}

static __always_inline int area_alloc(struct vrd_pool *pool, struct vrd_area *area, unsigned int count, unsigned long align_mask)
{
	unsigned long index;

	if (count > VRD_SMALL) {
		index = take_large(pool, area, count, align_mask);
	} else {
		index = take_small(pool, area, count);
		if (unlikely(index == area->end))
			index = take_anywhere(pool, area, count);
	}
	if (index == area->end)
		return -ENOSPC;
	vrd_count_taken(area, count);
	return index;
}

unsigned int vrd_pool_used(const struct vrd_pool *pool)
{
	unsigned int i;
	int used = 0;

	for (i = 0; i < pool->area_count; i++)
		used += pool->areas[i].usable - atomic_read(&pool->areas[i].free);
	return max(used, 0);
}

unsigned int vrd_pool_high_water(const struct vrd_pool *pool)
{
	unsigned int i, most = 0;

	for (i = 0; i < pool->area_count; i++)
		most += pool->areas[i].usable - READ_ONCE(pool->areas[i].least);
	return most;
}

void vrd_pool_forget_high_water(struct vrd_pool *pool)
{
	unsigned int i;

	for (i = 0; i < pool->area_count; i++)
		WRITE_ONCE(pool->areas[i].least, atomic_read(&pool->areas[i].free));
}

/* The CPU's own area first: no two CPUs meet there as long as none runs out. */
static __always_inline int alloc_granules(struct vrd_pool *pool, unsigned int count, unsigned int *taken_from)
{
	unsigned long align_mask = count >= VRD_PAGE_GRANULES ? VRD_PAGE_GRANULES - 1 : 0;
	unsigned int start = raw_smp_processor_id();
	struct vrd_area *area;
	unsigned int i;
	int index;

	for (i = 0; i < pool->area_count; i++) {
		*taken_from = (start + i) & (pool->area_count - 1);
		area = &pool->areas[*taken_from];
		if (atomic_read(&area->free) < (int)count)
			continue;
		index = area_alloc(pool, area, count, align_mask);
		if (index >= 0)
			return index;
	}
	this_cpu_inc(pool->counters->failures);
	return -ENOSPC;
}

static __always_inline void free_granules(struct vrd_pool *pool, unsigned int index)
{
	unsigned int count = granules_of(pool->slots[index].size);
	struct vrd_area *area = &pool->areas[pool->slots[index].area];
	unsigned int i;

	pool->slots[index].size = 0;
	for (i = 1; i < count; i++)
		pool->heads[index + i] = index + i;
	/* Whoever gets the granules next must not find that undone. */
	smp_mb__before_atomic();
	if (count > VRD_SMALL)
		release_range(pool->bitmap, index, count);
	else
		release(&pool->bitmap[index / BITS_PER_LONG], (count == 1 ? 1UL : 3UL) << (index % BITS_PER_LONG));
	vrd_count_released(area, index, count);
}

static __always_inline int alloc_slot(struct vrd_pool *pool, phys_addr_t orig, size_t size)
{
	unsigned int count = granules_of(size);
	unsigned int i, area;
	int index = alloc_granules(pool, count, &area);

	if (index >= 0) {
		pool->slots[index].orig = orig;
		pool->slots[index].size = size;
		pool->slots[index].area = area;
		for (i = 1; i < count; i++)
			pool->heads[index + i] = index;
	}
	return index;
}

/* The first granule of the allocation that an address lies in, or an error. */
static __always_inline int slot_of(struct vrd_pool *pool, dma_addr_t addr)
{
	u64 granule = (addr - pool->base) >> VRD_GRANULE_SHIFT;
	u32 head;

	if (WARN_ON_ONCE(granule >= pool->granules))
		return -EINVAL;
	head = pool->heads[granule];
	/* Some other allocation's granule, long free. */
	if (WARN_ON_ONCE(!pool->slots[head].size || granule - head >= granules_of(pool->slots[head].size)))
		return -EINVAL;
	return head;
}

static __always_inline void copy_round(u64 *to, const u64 *from)
{
	u64 a = get_unaligned(from), b = get_unaligned(from + 1), c = get_unaligned(from + 2), d = get_unaligned(from + 3);
	u64 e = get_unaligned(from + 4), f = get_unaligned(from + 5), g = get_unaligned(from + 6), h = get_unaligned(from + 7);

	put_unaligned(a, to);
	put_unaligned(b, to + 1);
	put_unaligned(c, to + 2);
	put_unaligned(d, to + 3);
	put_unaligned(e, to + 4);
	put_unaligned(f, to + 5);
	put_unaligned(g, to + 6);
	put_unaligned(h, to + 7);
}

/*
 * Whole pages by the kernel's own page copy. The rest, packets mostly, in words: the processor's string move, which is what memcpy()
 * is, takes a while to get going, and where it is emulated it goes by bytes.
 */
static void copy(void *to, const void *from, size_t size)
{
	if (PAGE_ALIGNED((unsigned long)to | (unsigned long)from)) {
		for (; size >= PAGE_SIZE; size -= PAGE_SIZE, to += PAGE_SIZE, from += PAGE_SIZE)
			copy_page(to, (void *)from);
	}
	for (; size >= VRD_ROUND; size -= VRD_ROUND, to += VRD_ROUND, from += VRD_ROUND)
		copy_round(to, from);
	vrd_copy_small(to, from, size);
}

static void memzero(void *to, size_t size)
{
	memset64(to, 0, size / sizeof(u64));
	memset(to + round_down(size, sizeof(u64)), 0, size % sizeof(u64));
}

static __always_inline void copy_in(struct vrd_pool *pool, unsigned int index, size_t offset, size_t size)
{
	copy(vrd_memory_of(pool, index) + offset, phys_to_virt(pool->slots[index].orig + offset), size);
	this_cpu_add(pool->counters->bytes_in, size);
}

static __always_inline void copy_out(struct vrd_pool *pool, unsigned int index, size_t offset, size_t size)
{
	copy(phys_to_virt(pool->slots[index].orig + offset), vrd_memory_of(pool, index) + offset, size);
	this_cpu_add(pool->counters->bytes_out, size);
}

dma_addr_t vrd_pool_map(struct vrd_pool *pool, phys_addr_t phys, size_t size, enum dma_data_direction dir,
			unsigned long attrs)
{
	int index;

	if (!size || size > U32_MAX)
		return DMA_MAPPING_ERROR;
	if (dir == DMA_FROM_DEVICE && pool->device_limit < pool->granules && vrd_pool_used(pool) > pool->device_limit) {
		this_cpu_inc(pool->counters->failures);
		return DMA_MAPPING_ERROR;
	}
	index = alloc_slot(pool, phys, size);
	if (index < 0)
		return DMA_MAPPING_ERROR;
	/*
	 * Also when the device is the one to write: all of it is copied back later, and what the device left alone must not come
	 * back as somebody else's old bytes, unless nobody looks at those.
	 */
	if (dir == DMA_FROM_DEVICE && pool->zero_fill)
		memzero(vrd_memory_of(pool, index), size);
	else if (dir != DMA_TO_DEVICE ? dir != DMA_FROM_DEVICE || !pool->exact : !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		copy_in(pool, index, 0, size);
	this_cpu_inc(pool->counters->maps);
	return vrd_address_of(pool, index);
}

void vrd_pool_unmap(struct vrd_pool *pool, dma_addr_t addr, size_t size, enum dma_data_direction dir,
		    unsigned long attrs)
{
	int index = slot_of(pool, addr);

	if (index < 0 || WARN_ON_ONCE(pool->slots[index].orig == VRD_COHERENT))
		return;
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		copy_out(pool, index, 0, min_t(size_t, size, pool->slots[index].size));
	free_granules(pool, index);
	this_cpu_inc(pool->counters->unmaps);
}

/* Finds the allocation and cuts the range off at its end; false when there is nothing to copy. */
static bool sync_range(struct vrd_pool *pool, dma_addr_t addr, size_t *size, int *index, size_t *offset)
{
	*index = slot_of(pool, addr);
	if (*index < 0 || pool->slots[*index].orig == VRD_COHERENT)
		return false;
	*offset = addr - vrd_address_of(pool, *index);
	if (WARN_ON_ONCE(*offset >= pool->slots[*index].size))
		return false;
	*size = min_t(size_t, *size, pool->slots[*index].size - *offset);
	this_cpu_inc(pool->counters->syncs);
	return true;
}

void vrd_pool_sync_for_cpu(struct vrd_pool *pool, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	size_t offset;
	int index;

	if (dir != DMA_TO_DEVICE && sync_range(pool, addr, &size, &index, &offset))
		copy_out(pool, index, offset, size);
}

void vrd_pool_sync_for_device(struct vrd_pool *pool, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	size_t offset;
	int index;

	if (dir != DMA_FROM_DEVICE && sync_range(pool, addr, &size, &index, &offset))
		copy_in(pool, index, offset, size);
}

/* Memory that driver and device use at the same time: zeroed, on pages of its own. */
void *vrd_pool_alloc(struct vrd_pool *pool, size_t size, dma_addr_t *addr)
{
	int index;

	size = PAGE_ALIGN(size);
	if (!size || size > U32_MAX)
		return NULL;
	index = alloc_slot(pool, VRD_COHERENT, size);
	if (index < 0)
		return NULL;
	atomic_add(granules_of(size), &pool->coherent);
	*addr = vrd_address_of(pool, index);
	return memset(vrd_memory_of(pool, index), 0, size);
}

void vrd_pool_free(struct vrd_pool *pool, dma_addr_t addr)
{
	int index = slot_of(pool, addr);

	if (index < 0 || WARN_ON_ONCE(pool->slots[index].orig != VRD_COHERENT))
		return;
	atomic_sub(granules_of(pool->slots[index].size), &pool->coherent);
	free_granules(pool, index);
}

void vrd_pool_sum(struct vrd_pool *pool, struct vrd_counters *sum)
{
	const struct vrd_counters *one;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		one = per_cpu_ptr(pool->counters, cpu);
		sum->maps += READ_ONCE(one->maps);
		sum->unmaps += READ_ONCE(one->unmaps);
		sum->syncs += READ_ONCE(one->syncs);
		sum->bytes_in += READ_ONCE(one->bytes_in);
		sum->bytes_out += READ_ONCE(one->bytes_out);
		sum->failures += READ_ONCE(one->failures);
	}
}

/*
 * The largest piece to map at once: a 512th of the region, so that a request of some 250 pieces takes half of it at the most and
 * always fits once the others are done.
 */
static size_t choose_max_mapping(size_t size)
{
	return clamp_t(size_t, rounddown_pow_of_two(size / 512), PAGE_SIZE, SZ_256K);
}

/* One area per CPU, as long as each is large beside a single mapping and the rings. */
static unsigned int choose_area_count(size_t size, size_t max_mapping)
{
	size_t room = max_t(size_t, size / max_t(size_t, 16 * max_mapping, SZ_1M), 1);

	return rounddown_pow_of_two(min_t(size_t, room, roundup_pow_of_two(num_possible_cpus())));
}

static void init_areas(struct vrd_pool *pool)
{
	/* No two areas share a word of the bitmap. */
	unsigned int each = max(round_down(pool->granules / pool->area_count, BITS_PER_LONG), BITS_PER_LONG);
	unsigned int i;

	if (pool->area_count == 1)
		each = pool->granules;
	for (i = 0; i < pool->area_count; i++) {
		struct vrd_area *area = &pool->areas[i];

		spin_lock_init(&area->lock);
		area->first = i * each;
		area->end = i == pool->area_count - 1 ? pool->granules : area->first + each;
		area->lowest = area->first / BITS_PER_LONG;
		area->usable = area->end - area->first;
	}
	/* Offset 0 is no address with DMB; the whole page, for the sake of those behind it. */
	bitmap_set(pool->bitmap, 0, VRD_PAGE_GRANULES);
	/* Behind the last granule there is nothing to take: no search has to look where the end is. */
	bitmap_set(pool->bitmap, pool->granules, round_up(pool->granules, BITS_PER_LONG) - pool->granules);
	pool->areas[0].usable -= VRD_PAGE_GRANULES;
	for (i = 0; i < pool->granules; i++)
		pool->heads[i] = i;
	for (i = 0; i < pool->area_count; i++) {
		atomic_set(&pool->areas[i].free, pool->areas[i].usable);
		pool->areas[i].least = pool->areas[i].usable;
	}
}

int vrd_pool_init(struct vrd_pool *pool, const struct vrd_region *region)
{
	memset(pool, 0, sizeof(*pool));
	pool->base = region->base;
	pool->granules = region->size >> VRD_GRANULE_SHIFT;
	pool->device_limit = pool->granules;
	pool->max_mapping = choose_max_mapping(region->size);
	pool->area_count = choose_area_count(region->size, pool->max_mapping);
	pool->vaddr = memremap(region->phys, region->size, MEMREMAP_WB);
	pool->bitmap = kvcalloc(BITS_TO_LONGS(pool->granules), sizeof(long), GFP_KERNEL);
	pool->slots = kvcalloc(pool->granules, sizeof(*pool->slots), GFP_KERNEL);
	pool->heads = kvcalloc(pool->granules, sizeof(*pool->heads), GFP_KERNEL);
	pool->areas = kcalloc(pool->area_count, sizeof(*pool->areas), GFP_KERNEL);
	pool->counters = alloc_percpu(struct vrd_counters);
	if (!pool->vaddr || !pool->bitmap || !pool->slots || !pool->heads || !pool->areas || !pool->counters) {
		vrd_pool_destroy(pool);
		return -ENOMEM;
	}
	init_areas(pool);
	return 0;
}

void vrd_pool_destroy(struct vrd_pool *pool)
{
	free_percpu(pool->counters);
	kfree(pool->areas);
	kvfree(pool->heads);
	kvfree(pool->slots);
	kvfree(pool->bitmap);
	if (pool->vaddr)
		memunmap(pool->vaddr);
}
