/* ../depth_first.py: linearize only what the next return needs, and remember what was tried.
 *
 * The stack holds configurations still to be tried, and (`rest`) those of which so far only the first move was: the
 * others are found when it is their turn, which in a good history is seldom.
 */
#include "search.h"

#define FURTHEST_KEPT 1024

static int push(Search *search, const Configuration *one) {
    return pool_add(&search->stack, &search->moves.layout, one) ? 0 : FAILED;
}

/* Go on to the first return whose operation is not done yet. */
static int settle(Search *search, Configuration *one) {
    Moves *moves = &search->moves;
    Window *window = &moves->window;
    uint64_t passed = 0;
    while (window->returning >= 0) {
        int slot = moves->part->pendings[window->returning].slot;
        if (!mask_has(low_of(one), slot)) break;
        mask_drop(low_of(one), slot);
        mask_drop(high_of(one, &moves->layout), slot);
        one->idle = 0;
        one->entered = 1;
        window_advance(moves);
        if (moves_enter(moves, one, window->fresh) < 0) return FAILED;
        passed++;
    }
    search->spent += passed / 4;
    one->place = window->place;
    return 0;
}

/* 0 when a configuration that covers this one was tried at this return. */
static int remember(Search *search, const Configuration *one) {
    const Layout *layout = &search->moves.layout;
    int exact = !(search->moves.part->prunings & DOM);
    uint64_t compared = search->tried.compared;
    int added = antichain_add(
        &search->tried, layout, (uint64_t)(uint32_t)one->place << 32 | (uint32_t)one->state, one, exact);
    search->explored++;
    search->spent += 1 + (search->tried.compared - compared) / 16;
    if (added <= 0 || !one->entered || one->place < search->placed) return added;
    if (one->place > search->placed) {
        search->placed = one->place;
        search->furthest.count = 0;
    }
    if (search->furthest.count < FURTHEST_KEPT && !pool_add(&search->furthest, layout, one)) return FAILED;
    return 1;
}

/* What was found from number `from` on, onto the stack. Overwrites fit later too, so the others are tried first. */
static int push_found(Search *search, size_t from) {
    Pool *found = &search->moves.found;
    const Layout *layout = &search->moves.layout;
    search->spent += found->count / 16;
    for (unsigned overwrote = 2; overwrote-- > 0;)
        for (size_t i = found->count; i > from; i--) {
            Configuration *one = pool_at(found, layout, i - 1);
            if (one->overwrote == overwrote && push(search, one) < 0) return FAILED;
        }
    return 0;
}

/* The first move onto the stack if it has the returning operation done, with a note of the rest; else all moves. */
static int push_moves(Search *search, Configuration *one) {
    Moves *moves = &search->moves;
    const Layout *layout = &moves->layout;
    int slot = moves->part->pendings[moves->window.returning].slot;
    int may_be_done = one->entered && mask_has(high_of(one, layout), slot);
    if (!may_be_done) {
        if (moves_successors(moves, one, 1) < 0) return FAILED;
        if (!moves->found.count) return 0;
        if (!mask_has(low_of(pool_at(&moves->found, layout, 0)), slot))
            return moves_successors(moves, one, 0) < 0 ? FAILED : push_found(search, 0);
    }
    one->rest = 1;
    if (push(search, one) < 0) return FAILED;
    if (!may_be_done) return push(search, pool_at(&moves->found, layout, 0));
    /* first of all count the returning operation as done */
    uint32_t path = paths_add(&moves->paths, one->path, -1 - moves->window.returning);
    if (!path) return FAILED;
    one->path = path;
    mask_add(low_of(one), slot);
    one->entered = one->rest = 0;
    return push(search, one);
}

/* All moves but the one that was pushed before. */
static int push_rest(Search *search, Configuration *one) {
    Moves *moves = &search->moves;
    int slot = moves->part->pendings[moves->window.returning].slot;
    int was_done = one->entered && mask_has(high_of(one, &moves->layout), slot);
    if (moves_successors(moves, one, 0) < 0) return FAILED;
    return push_found(search, was_done ? 0 : 1);
}

/* Take the configuration on top and go on from it: ACCEPTED, or RUNNING. */
static int step(Search *search) {
    Moves *moves = &search->moves;
    Configuration *one = moves->spare;
    memcpy(one, pool_at(&search->stack, &moves->layout, --search->stack.count), moves->layout.bytes);
    if (moves->window.place != one->place) window_retreat(moves, one->place);
    if (one->rest) {
        one->rest = 0;
        return push_rest(search, one) < 0 ? FAILED : RUNNING;
    }
    if (settle(search, one) < 0) return FAILED;
    if (moves->window.returning < 0) return ACCEPTED;
    int added = remember(search, one);
    if (added < 0 || (added && push_moves(search, one) < 0)) return FAILED;
    return RUNNING;
}

int depth_first_advance(Search *search) {
    Moves *moves = &search->moves;
    if (!search->begun) {
        Configuration *first = moves_first(moves, &search->stack);
        if (!first || moves_enter(moves, first, 0) < 0) return FAILED;
        first->entered = 1;
        search->begun = 1;
    }
    int progress = RUNNING;
    while (progress == RUNNING && search->spent < search->allowed) {
        if (!search->stack.count) {
            progress = REJECTED;
            break;
        }
        uint64_t asked = moves->part->memo->asked;
        progress = step(search);
        search->spent += ASKING * (moves->part->memo->asked - asked);
        if (progress == RUNNING && paths_are_due(&moves->paths)) {
            Pool *roots[] = {&search->stack, &search->furthest};
            if (paths_collect(&moves->paths, &moves->layout, roots, 2) < 0) progress = FAILED;
        }
    }
    return progress;
}
