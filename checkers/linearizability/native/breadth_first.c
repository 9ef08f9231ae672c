/* ../breadth_first.py: the frontier of all configurations, return by return; or, as a beam, of the best. */
#include "search.h"

#include <stdlib.h>

#define BEAM_LOOKS 16 /* as in ../breadth_first.py */

/* Into the survivors, past the return. */
static int survive(Search *search, const Configuration *one) {
    const Layout *layout = &search->moves.layout;
    Configuration *copy = search->moves.spare;
    memcpy(copy, one, layout->bytes);
    if (moves_leave(&search->moves, copy) < 0) return FAILED;
    int exact = !(search->moves.part->prunings & DOM);
    return antichain_add(&search->survivors, layout, (uint64_t)(uint32_t)copy->state, copy, exact) < 0 ? FAILED : 0;
}

static int see(Search *search, const Configuration *one) {
    int exact = !(search->moves.part->prunings & DOM);
    return antichain_add(&search->seen, &search->moves.layout, (uint64_t)(uint32_t)one->state, one, exact);
}

/* READ at the event, and past it at once if every configuration has the operation done: 1 then, 0 if not. */
static int enter_event(Search *search, int slot) {
    Moves *moves = &search->moves;
    const Layout *layout = &moves->layout;
    Pool *frontier = &search->frontier;
    int is_done = 1;
    uint64_t asked = moves->part->memo->asked;
    for (size_t i = 0; i < frontier->count; i++) {
        Configuration *one = pool_at(frontier, layout, i);
        if (moves->window.fresh < moves->window.pure_count && moves_enter(moves, one, moves->window.fresh) < 0)
            return FAILED;
        is_done &= mask_has(low_of(one), slot);
    }
    search->spent += 1 + frontier->count / 8 + ASKING * (moves->part->memo->asked - asked);
    if (!is_done) return 0;
    for (size_t i = 0; i < frontier->count; i++) {
        Configuration *one = pool_at(frontier, layout, i);
        mask_drop(low_of(one), slot);
        mask_drop(high_of(one, layout), slot);
    }
    return 1;
}

static int begin_placing(Search *search, int slot) {
    const Layout *layout = &search->moves.layout;
    antichain_clear(&search->survivors);
    antichain_clear(&search->seen);
    for (size_t i = 0; i < search->frontier.count; i++) {
        Configuration *one = pool_at(&search->frontier, layout, i);
        if (mask_has(high_of(one, layout), slot) && survive(search, one) < 0) return FAILED;
        if (!mask_has(low_of(one), slot) && see(search, one) < 0) return FAILED;
    }
    search->cursor = 0;
    search->looks = search->explored + (uint64_t)search->beam * BEAM_LOOKS;
    search->is_placing = 1;
    return 0;
}

/* Explore until all survivors are found, 1, or the work is done, 0. */
static int place(Search *search, int slot) {
    const Layout *layout = &search->moves.layout;
    Pool *seen = &search->seen.pool, *found = &search->moves.found;
    const Memo *memo = search->moves.part->memo;
    while (search->cursor < seen->count) {
        if (search->spent >= search->allowed) return 0;
        if (search->beam && search->explored >= search->looks && search->survivors.live) {
            search->cut = 1;
            return 1;
        }
        Configuration *one = pool_at(seen, layout, search->cursor++);
        if (one->dead) continue;
        search->explored++;
        uint64_t compared = search->seen.compared + search->survivors.compared, asked = memo->asked;
        if (moves_successors(&search->moves, one, 0) < 0) return FAILED;
        size_t count = found->count;
        for (size_t i = 0; i < count; i++) {
            Configuration *successor = pool_at(found, layout, i);
            int done = mask_has(low_of(successor), slot);
            if ((done ? survive(search, successor) : see(search, successor)) < 0) return FAILED;
        }
        search->spent += 1 + (count + search->seen.compared + search->survivors.compared - compared) / 16
                         + ASKING * (memo->asked - asked);
    }
    return 1;
}

/* --- the beam ----------------------------------------------------------------------------------------------------- */

typedef struct {
    int crashed, open;
    uint32_t place;
} Promise;

static int by_promise(const void *one, const void *other) {
    const Promise *a = one, *b = other;
    if (a->crashed != b->crashed) return a->crashed < b->crashed ? -1 : 1;
    if (a->open != b->open) return a->open > b->open ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* The survivors become the frontier; for a beam, those that used the fewest crashed operations and leave most open. */
static int narrow(Search *search) {
    const Layout *layout = &search->moves.layout;
    Pool *pool = &search->survivors.pool, *frontier = &search->frontier;
    frontier->count = 0;
    if (!search->beam || search->survivors.live <= (size_t)search->beam) {
        for (size_t i = 0; i < pool->count; i++) {
            Configuration *one = pool_at(pool, layout, i);
            if (!one->dead && !pool_add(frontier, layout, one)) return FAILED;
        }
        return 0;
    }
    search->cut = 1;
    Promise *promises = PyMem_Malloc(pool->count * sizeof *promises);
    if (!promises) {
        PyErr_NoMemory();
        return FAILED;
    }
    size_t count = 0;
    for (size_t i = 0; i < pool->count; i++) {
        Configuration *one = pool_at(pool, layout, i);
        if (one->dead) continue;
        int open = mask_count(high_of(one, layout), layout->live) - mask_count(low_of(one), layout->live);
        promises[count++] = (Promise){mask_count(crashed_of(one, layout), layout->crashed), open, (uint32_t)i};
    }
    qsort(promises, count, sizeof *promises, by_promise);
    int result = 0;
    for (int i = 0; i < search->beam && !result; i++)
        result = pool_add(frontier, layout, pool_at(pool, layout, promises[i].place)) ? 0 : FAILED;
    PyMem_Free(promises);
    return result;
}

/* --- the search --------------------------------------------------------------------------------------------------- */

int breadth_first_advance(Search *search) {
    Moves *moves = &search->moves;
    if (!search->begun) {
        if (!moves_first(moves, &search->frontier)) return FAILED;
        search->begun = 1;
    }
    while (moves->window.returning >= 0) {
        int slot = moves->part->pendings[moves->window.returning].slot;
        int passed = search->is_placing ? 0 : enter_event(search, slot);
        if (passed < 0) return FAILED;
        if (!passed) {
            if (!search->is_placing && begin_placing(search, slot) < 0) return FAILED;
            int complete = place(search, slot);
            if (complete <= 0) return complete < 0 ? FAILED : RUNNING;
            search->is_placing = 0;
            if (!search->survivors.live) return search->cut ? GAVE_UP : REJECTED;
            if (narrow(search) < 0) return FAILED;
        }
        search->placed++;
        window_advance(moves);
        if (paths_are_due(&moves->paths)) {
            Pool *roots[] = {&search->frontier};
            if (paths_collect(&moves->paths, &moves->layout, roots, 1) < 0) return FAILED;
        }
        if (search->spent >= search->allowed) return RUNNING;
    }
    return ACCEPTED;
}
