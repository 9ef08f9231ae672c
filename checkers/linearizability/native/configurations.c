/* Pools of configurations, antichains and paths. */
#include "search.h"

Configuration *pool_add(Pool *pool, const Layout *layout, const Configuration *one) {
    if (pool->count == pool->room) {
        size_t room = pool->room ? 2 * pool->room : 16;
        char *bytes = PyMem_Realloc(pool->bytes, room * layout->bytes);
        if (!bytes) return (Configuration *)PyErr_NoMemory();
        pool->bytes = bytes;
        pool->room = room;
    }
    Configuration *added = pool_at(pool, layout, pool->count++);
    if (one) memcpy(added, one, layout->bytes);
    return added;
}

/* --- antichains --------------------------------------------------------------------------------------------------- */

static int covers(const Layout *layout, const Configuration *one, const Configuration *other, int exact) {
    if (exact)
        return one->idle == other->idle
               && !memcmp(one->masks, other->masks, layout->bytes - offsetof(Configuration, masks));
    if (one->idle && !other->idle) return 0;
    const Word *a = one->masks, *b = other->masks;
    int live = layout->live;
    return mask_within(a, b, live) && mask_within(b + live, a + live, live)
           && mask_within(a + 2 * live, b + 2 * live, layout->crashed);
}

/* The chain of a key, empty if it is new; NULL when out of memory. */
static Chain *chain_of(Antichain *chain, uint64_t key) {
    if (10 * (chain->chain_used + 1) > 6 * chain->chain_places) {
        size_t places = chain->chain_places ? 2 * chain->chain_places : 64;
        Chain *chains = PyMem_Calloc(places, sizeof *chains);
        if (!chains) return (Chain *)PyErr_NoMemory();
        for (size_t i = 0; i < chain->chain_places; i++) {
            if (chain->chains[i].stamp != chain->stamp) continue;
            size_t place = mix(chain->chains[i].key) & (places - 1);
            while (chains[place].stamp == chain->stamp) place = (place + 1) & (places - 1);
            chains[place] = chain->chains[i];
        }
        PyMem_Free(chain->chains);
        chain->chains = chains;
        chain->chain_places = places;
    }
    size_t place = mix(key) & (chain->chain_places - 1);
    while (chain->chains[place].stamp == chain->stamp && chain->chains[place].key != key)
        place = (place + 1) & (chain->chain_places - 1);
    Chain *found = &chain->chains[place];
    if (found->stamp != chain->stamp) {
        *found = (Chain){key, 0, chain->stamp};
        chain->chain_used++;
    }
    return found;
}

int antichain_add(Antichain *chain, const Layout *layout, uint64_t key, const Configuration *one, int exact) {
    if (!chain->stamp) chain->stamp = 1;
    Chain *own = chain_of(chain, key);
    if (!own) return FAILED;
    uint32_t *link = &own->head;
    while (*link) {
        Configuration *other = pool_at(&chain->pool, layout, *link - 1);
        chain->compared++;
        if (covers(layout, other, one, exact)) return 0;
        if (!exact && covers(layout, one, other, 0)) {
            other->dead = 1;
            chain->live--;
            *link = chain->next[*link - 1];
        } else
            link = &chain->next[*link - 1];
    }
    size_t place = chain->pool.count;
    if (place >= UINT32_MAX - 1) {
        PyErr_NoMemory();
        return FAILED;
    }
    if (place >= chain->next_room) {
        size_t room = place ? 2 * place : 16;
        uint32_t *next = PyMem_Realloc(chain->next, room * sizeof *next);
        if (!next) {
            PyErr_NoMemory();
            return FAILED;
        }
        chain->next = next;
        chain->next_room = room;
    }
    Configuration *added = pool_add(&chain->pool, layout, one);
    if (!added) return FAILED;
    added->dead = 0;
    chain->next[place] = own->head;
    own->head = (uint32_t)place + 1;
    chain->live++;
    return 1;
}

void antichain_clear(Antichain *chain) {
    chain->pool.count = chain->chain_used = chain->live = 0;
    if (++chain->stamp == 0) { /* after 2^32 clearings old stamps would look new */
        memset(chain->chains, 0, chain->chain_places * sizeof *chain->chains);
        chain->stamp = 1;
    }
}

void antichain_free(Antichain *chain) {
    PyMem_Free(chain->pool.bytes);
    PyMem_Free(chain->next);
    PyMem_Free(chain->chains);
}

size_t antichain_bytes(const Antichain *chain, const Layout *layout) {
    return chain->pool.room * layout->bytes + chain->next_room * sizeof *chain->next
           + chain->chain_places * sizeof *chain->chains;
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

uint32_t paths_add(Paths *paths, uint32_t before, int32_t step) {
    if (!paths->count) paths->count = 1;
    if (paths->count >= paths->room) {
        size_t room = paths->room ? 2 * paths->room : 256;
        Step *steps = room > UINT32_MAX ? NULL : PyMem_Realloc(paths->steps, room * sizeof *steps);
        if (!steps) {
            PyErr_NoMemory();
            return 0;
        }
        paths->steps = steps;
        paths->room = room;
    }
    paths->steps[paths->count] = (Step){step, before};
    return (uint32_t)paths->count++;
}

int paths_collect(Paths *paths, const Layout *layout, Pool *const *pools, int pool_count) {
    /* A step comes after the one before it, so one pass moves what is needed to the front. */
    uint32_t *moved = PyMem_Calloc(paths->count + 1, sizeof *moved);
    if (!moved) {
        PyErr_NoMemory();
        return FAILED;
    }
    for (int p = 0; p < pool_count; p++)
        for (size_t i = 0; i < pools[p]->count; i++)
            for (uint32_t at = pool_at(pools[p], layout, i)->path; at && !moved[at]; at = paths->steps[at].before)
                moved[at] = 1;
    uint32_t count = 1;
    for (size_t at = 1; at < paths->count; at++) {
        if (!moved[at]) continue;
        paths->steps[count] = (Step){paths->steps[at].step, moved[paths->steps[at].before]};
        moved[at] = count++;
    }
    for (int p = 0; p < pool_count; p++)
        for (size_t i = 0; i < pools[p]->count; i++) {
            Configuration *one = pool_at(pools[p], layout, i);
            one->path = moved[one->path];
        }
    PyMem_Free(moved);
    paths->count = paths->kept = count;
    return 0;
}
