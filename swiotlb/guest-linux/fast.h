/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small pieces of memory for the device to read, which is what a packet or a request's header is: inlined into the operations, without
 * a lock, a call or a loop over anything but the bytes. Where processors are emulated, or protected from speculation, a call and its
 * return take as long as all the rest. Whatever is not of this kind, or finds its word of the bitmap full, goes the long way in pool.c.
 */
#ifndef VRD_FAST_H
#define VRD_FAST_H

#include <linux/io.h>
#include <linux/percpu.h>
#include <linux/unaligned.h>
#include "vrd.h"

static __always_inline dma_addr_t vrd_address_of(const struct vrd_pool *pool, unsigned int index)
{
	return pool->base + ((dma_addr_t)index << VRD_GRANULE_SHIFT);
}

static __always_inline void *vrd_memory_of(const struct vrd_pool *pool, unsigned int index)
{
	return pool->vaddr + ((size_t)index << VRD_GRANULE_SHIFT);
}

/* Another granule of an area, or several, is in use. */
static __always_inline void vrd_count_taken(struct vrd_area *area, unsigned int count)
{
	int left = atomic_sub_return(count, &area->free);

	if (left < READ_ONCE(area->least))
		WRITE_ONCE(area->least, max(left, 0));
}

static __always_inline void vrd_count_released(struct vrd_area *area, unsigned int index, unsigned int count)
{
	unsigned int word = index / BITS_PER_LONG;

	atomic_add(count, &area->free);
	if (word < READ_ONCE(area->lowest))
		WRITE_ONCE(area->lowest, word);
}

static __always_inline void vrd_copy_word(void *to, const void *from, size_t at)
{
	put_unaligned(get_unaligned((const u64 *)(from + at)), (u64 *)(to + at));
}

/*
 * In words, the last of which overlaps the one before where the size is no multiple: never a byte more. The processor's string move
 * takes long to get going.
 */
static __always_inline void vrd_copy_small(void *to, const void *from, size_t size)
{
	const size_t word = sizeof(u64);
	size_t last = size - word, at;

	if (unlikely(size < word)) {
		for (at = 0; at < size; at++)
			((u8 *)to)[at] = ((const u8 *)from)[at];
		return;
	}
	for (at = 0; at + 3 * word < last; at += 4 * word) {
		vrd_copy_word(to, from, at);
		vrd_copy_word(to, from, at + word);
		vrd_copy_word(to, from, at + 2 * word);
		vrd_copy_word(to, from, at + 3 * word);
	}
	for (; at < last; at += word)
		vrd_copy_word(to, from, at);
	vrd_copy_word(to, from, last);
}

/* A free granule of the word where this CPU's area has one, most likely; NULL when there is none, or somebody else was quicker. */
static __always_inline struct vrd_slot *vrd_take_one(struct vrd_pool *pool)
{
	unsigned int number = raw_smp_processor_id() & (pool->area_count - 1);
	struct vrd_area *area = &pool->areas[number];
	unsigned int word = READ_ONCE(area->lowest);
	unsigned long old = READ_ONCE(pool->bitmap[word]);
	struct vrd_slot *slot;
	unsigned long bit;

	if (unlikely(!~old))
		return NULL;
	bit = ffz(old);
	if (unlikely(!try_cmpxchg(&pool->bitmap[word], &old, old | BIT(bit))))
		return NULL;
	vrd_count_taken(area, 1);
	slot = &pool->slots[word * BITS_PER_LONG + bit];
	slot->area = number;
	return slot;
}

static __always_inline dma_addr_t vrd_map(struct vrd_pool *pool, phys_addr_t phys, size_t size,
					  enum dma_data_direction dir, unsigned long attrs)
{
	struct vrd_slot *slot;
	unsigned int index;

	if (unlikely(size - 1 >= VRD_GRANULE || dir != DMA_TO_DEVICE || attrs & DMA_ATTR_SKIP_CPU_SYNC))
		return vrd_pool_map(pool, phys, size, dir, attrs);
	slot = vrd_take_one(pool);
	if (unlikely(!slot))
		return vrd_pool_map(pool, phys, size, dir, attrs);
	slot->orig = phys;
	slot->size = size;
	index = slot - pool->slots;
	vrd_copy_small(vrd_memory_of(pool, index), phys_to_virt(phys), size);
	this_cpu_add(pool->counters->bytes_in, size);
	this_cpu_inc(pool->counters->maps);
	return vrd_address_of(pool, index);
}

static __always_inline void vrd_unmap(struct vrd_pool *pool, dma_addr_t addr, size_t size, enum dma_data_direction dir,
				      unsigned long attrs)
{
	u64 index = (addr - pool->base) >> VRD_GRANULE_SHIFT;
	struct vrd_slot *slot = &pool->slots[index];

	/* What is a granule or less begins where it ends, so there is no first granule to look for; 0 is free, and coherent memory larger. */
	if (unlikely(dir != DMA_TO_DEVICE || index >= pool->granules || slot->size - 1 >= VRD_GRANULE)) {
		vrd_pool_unmap(pool, addr, size, dir, attrs);
		return;
	}
	slot->size = 0;
	/* Whoever gets the granule next must not find that undone. */
	smp_mb__before_atomic();
	atomic_long_andnot(BIT(index % BITS_PER_LONG), (atomic_long_t *)&pool->bitmap[index / BITS_PER_LONG]);
	vrd_count_released(&pool->areas[slot->area], index, 1);
	this_cpu_inc(pool->counters->unmaps);
}

#endif
