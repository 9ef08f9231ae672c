/* ../depth_first.py: linearize only what the next return needs, and remember what was tried; and ../foresighted.py.
 *
 * The stack holds configurations still to be tried, and (`rest`) those of which so far only the first move was: the
 * others are found when it is their turn, which in a good history is seldom.
 */
#include "search.h"

#define FURTHEST_KEPT 1024

/* as in ../foresighted.py */
#define SPAN 32
#define PATIENCE 64
#define TRIES 64
#define EQUALLY 4
#define ODDS 4
#define BEHIND 3

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

/* The configuration of every so many returns that the search goes back to. */
static void keep(Search *search, const Configuration *one) {
    const Layout *layout = &search->moves.layout;
    Configuration *kept = pool_at(&search->foresight.kept, layout, (size_t)(one->place / SPAN));
    if (kept->place < 0 || one->place <= kept->place) memcpy(kept, one, layout->bytes);
}

static int begin_keeping(Search *search) {
    const Layout *layout = &search->moves.layout;
    Pool *kept = &search->foresight.kept;
    for (int32_t i = 0; i <= search->moves.part->return_count / SPAN; i++) {
        Configuration *one = pool_add(kept, layout, NULL);
        if (!one) return FAILED;
        memset(one, 0, layout->bytes);
        one->place = -1;
    }
    search->foresight.reached = -1;
    return 0;
}

/* 0 when a configuration that covers this one was tried at this return. */
static int remember(Search *search, const Configuration *one) {
    const Layout *layout = &search->moves.layout;
    if (search->kind == FORESIGHTED && one->place > search->foresight.reached) {
        search->foresight.reached = one->place;
        search->foresight.limit = search->explored + PATIENCE;
        search->foresight.tries = 0;
    }
    int exact = !(search->moves.part->prunings & DOM);
    uint64_t compared = search->tried.compared;
    int added = antichain_add(
        &search->tried, layout, (uint64_t)(uint32_t)one->place << 32 | (uint32_t)one->state, one, exact);
    search->explored++;
    search->spent += 1 + (search->tried.compared - compared) / 16;
    if (added <= 0 || !one->entered) return added;
    if (search->kind == FORESIGHTED) keep(search, one);
    if (one->place < search->placed) return added;
    if (one->place > search->placed) {
        search->placed = one->place;
        search->furthest.count = 0;
    }
    if (search->furthest.count < FURTHEST_KEPT && !pool_add(&search->furthest, layout, one)) return FAILED;
    return 1;
}

/* Numbers without much order in them, always the same (a linear congruential generator, Knuth's MMIX). */
static uint32_t draw(Foresight *foresight) {
    foresight->drawn = foresight->drawn * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(foresight->drawn >> 33);
}

/* Leave out what foresight calls hopeless of what was found, from number `from` on. */
static void sift(Search *search, int32_t state, size_t from) {
    if (search->kind != FORESIGHTED) return;
    Pool *found = &search->moves.found;
    const Layout *layout = &search->moves.layout;
    size_t kept = from;
    for (size_t i = from; i < found->count; i++) {
        if (foresight_is_hopeless(search, state, pool_at(found, layout, i))) continue;
        if (kept < i) memcpy(pool_at(found, layout, kept), pool_at(found, layout, i), layout->bytes);
        kept++;
    }
    search->spent += (found->count - from) / 4;
    found->count = kept;
}

/* What was found from number `from` on, onto the stack. Overwrites fit later too, so the others are tried first. The
 * one that is number `preferred` in that order is not pushed but given back; NULL if there is none. */
static int push_found(Search *search, size_t from, int32_t preferred, Configuration **given_back) {
    Pool *found = &search->moves.found;
    const Layout *layout = &search->moves.layout;
    search->spent += found->count / 16;
    int32_t number = (int32_t)(found->count - from);
    *given_back = NULL;
    for (unsigned overwrote = 2; overwrote-- > 0;)
        for (size_t i = found->count; i > from; i--) {
            Configuration *one = pool_at(found, layout, i - 1);
            if (one->overwrote != overwrote) continue;
            if (--number == preferred) *given_back = one;
            else if (push(search, one) < 0) return FAILED;
        }
    return 0;
}

/* All moves onto the stack that are left from number `from` on. */
static int push_all(Search *search, const Configuration *one, size_t from) {
    Configuration *none;
    if (moves_successors(&search->moves, one, 0) < 0) return FAILED;
    sift(search, one->state, from);
    return push_found(search, from, -1, &none);
}

/* The configuration with the returning operation counted as done, onto the stack. */
static int push_done(Search *search, Configuration *one) {
    Moves *moves = &search->moves;
    uint32_t path = paths_add(&moves->paths, one->path, -1 - moves->window.returning);
    if (!path) return FAILED;
    one->path = path;
    mask_add(low_of(one), moves->part->pendings[moves->window.returning].slot);
    one->entered = one->rest = 0;
    if (search->kind == FORESIGHTED && foresight_is_hopeless(search, one->state, one)) return 0;
    return push(search, one);
}

/* All moves onto the stack, one of the first of them out of turn on top. */
static int push_out_of_turn(Search *search, Configuration *one, int may_be_done) {
    if (moves_successors(&search->moves, one, 0) < 0) return FAILED;
    sift(search, one->state, 0);
    uint32_t others = (uint32_t)search->moves.found.count - !may_be_done;
    int32_t preferred = -1;
    if (search->moves.found.count && others)
        preferred = !may_be_done + (int32_t)(draw(&search->foresight) % (others < BEHIND ? others : BEHIND));
    Configuration *top;
    if (push_found(search, 0, preferred, &top) < 0 || (may_be_done && push_done(search, one) < 0)) return FAILED;
    return top ? push(search, top) : 0;
}

/* The first move onto the stack if it has the returning operation done, with a note of the rest; else all moves. */
static int push_moves(Search *search, Configuration *one) {
    Moves *moves = &search->moves;
    const Layout *layout = &moves->layout;
    int slot = moves->part->pendings[moves->window.returning].slot;
    int may_be_done = one->entered && mask_has(high_of(one, layout), slot);
    if (search->foresight.tries && draw(&search->foresight) % ODDS == 0)
        return push_out_of_turn(search, one, may_be_done);
    if (!may_be_done) {
        if (moves_successors(moves, one, 1) < 0) return FAILED;
        if (!moves->found.count) return 0;
        if (!mask_has(low_of(pool_at(&moves->found, layout, 0)), slot)) return push_all(search, one, 0);
    }
    one->rest = 1;
    if (push(search, one) < 0) return FAILED;
    if (may_be_done) return push_done(search, one); /* first of all */
    sift(search, one->state, 0);
    return moves->found.count ? push(search, pool_at(&moves->found, layout, 0)) : 0;
}

/* All moves but the one that was pushed before. */
static int push_rest(Search *search, Configuration *one) {
    Moves *moves = &search->moves;
    int slot = moves->part->pendings[moves->window.returning].slot;
    int was_done = one->entered && mask_has(high_of(one, &moves->layout), slot);
    return push_all(search, one, was_done ? 0 : 1);
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

static int start(Search *search) {
    Moves *moves = &search->moves;
    Configuration *first = moves_first(moves, &search->stack);
    if (!first || moves_enter(moves, first, 0) < 0) return FAILED;
    first->entered = 1;
    search->begun = 1;
    return search->kind == FORESIGHTED ? begin_keeping(search) : 0;
}

/* Nothing is left to try, or (foresight) to be tried here: REJECTED, GAVE_UP, or RUNNING from further back. */
static int end(Search *search) {
    Foresight *foresight = &search->foresight;
    if (search->kind != FORESIGHTED) return REJECTED;
    if (!foresight->has_left || foresight->tries == TRIES) return GAVE_UP;
    int32_t blocks = 1 << foresight->tries / EQUALLY, number = foresight->reached / SPAN + 1 - blocks;
    if (number < 0) number = 0;
    while (pool_at(&foresight->kept, &search->moves.layout, (size_t)number)->place < 0) number--;
    const Configuration *kept = pool_at(&foresight->kept, &search->moves.layout, (size_t)number);
    foresight->tries++;
    foresight->limit = search->explored + PATIENCE + 2 * (uint64_t)(foresight->reached - kept->place);
    while (search->moves.window.place < kept->place) window_advance(&search->moves);
    antichain_clear(&search->tried);
    search->stack.count = 0;
    return push(search, kept) < 0 ? FAILED : RUNNING;
}

int depth_first_advance(Search *search) {
    Moves *moves = &search->moves;
    if (search->kind == FORESIGHTED && !search->foresight.is_learnt) {
        int learnt = foresight_learn(search);
        if (learnt != ACCEPTED) return learnt;
    }
    if (!search->begun && start(search) < 0) return FAILED;
    int progress = RUNNING;
    while (progress == RUNNING && search->spent < search->allowed) {
        if (search->stack.count && search->kind == FORESIGHTED && search->explored > search->foresight.limit) {
            search->foresight.has_left = 1;
            search->stack.count = 0;
        }
        if (!search->stack.count) {
            progress = end(search);
            continue;
        }
        uint64_t asked = moves->part->memo->asked;
        progress = step(search);
        search->spent += ASKING * (moves->part->memo->asked - asked);
        if (progress == RUNNING && paths_are_due(&moves->paths)) {
            Pool *roots[] = {&search->stack, &search->furthest, &search->foresight.kept};
            if (paths_collect(&moves->paths, &moves->layout, roots, 3) < 0) progress = FAILED;
        }
    }
    return progress;
}
