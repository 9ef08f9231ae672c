/* What is pending at a return, and the moves from one configuration to others: ../window.py and ../expansion.py. */
#include "search.h"

/* --- the window --------------------------------------------------------------------------------------------------- */

static void insert(Moves *moves, const Pending *pending) {
    Window *window = &moves->window;
    if (pending->pure && moves->part->prunings & READ) {
        window->pure[window->pure_count++] = *pending;
        return;
    }
    int32_t place = window->active_count++;
    for (; place && window->active[place - 1].deadline > pending->deadline; place--)
        window->active[place] = window->active[place - 1];
    window->active[place] = *pending;
    if (pending->blind && moves->part->prunings & ABS) mask_add(window->overwrites, pending->slot);
}

static void take_out(Moves *moves, const Pending *pending) {
    Window *window = &moves->window;
    int is_pure = pending->pure && moves->part->prunings & READ;
    Pending *list = is_pure ? window->pure : window->active;
    int32_t *count = is_pure ? &window->pure_count : &window->active_count;
    int32_t place = 0;
    while (list[place].operation != pending->operation) place++;
    memmove(list + place, list + place + 1, (size_t)(--*count - place) * sizeof *list);
    mask_drop(window->overwrites, pending->slot);
}

/* Take the calls up to the next return. */
static void take_calls(Moves *moves) {
    Part *part = moves->part;
    Window *window = &moves->window;
    for (; window->position < part->event_count; window->position++) {
        int32_t event = part->events[window->position];
        if (event < 0) {
            window->returning = -1 - event;
            return;
        }
        Pending *pending = &part->pendings[event];
        if (pending->slot < 0)
            window->called[-1 - pending->slot]++;
        else
            insert(moves, pending);
    }
    window->returning = -1;
}

void window_advance(Moves *moves) {
    Window *window = &moves->window;
    take_out(moves, &moves->part->pendings[window->returning]);
    window->position++;
    window->place++;
    window->fresh = window->pure_count;
    take_calls(moves);
}

void window_retreat(Moves *moves, int32_t place) {
    Part *part = moves->part;
    Window *window = &moves->window;
    while (window->place > place) {
        int32_t event = part->events[--window->position];
        Pending *pending = &part->pendings[event < 0 ? -1 - event : event];
        if (event < 0) {
            insert(moves, pending);
            window->place--;
        } else if (pending->slot < 0)
            window->called[-1 - pending->slot]--;
        else
            take_out(moves, pending);
    }
    window->returning = -1 - part->events[window->position];
    window->fresh = 0;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

int moves_begin(Moves *moves, Part *part) {
    moves->part = part;
    Layout *layout = &moves->layout;
    layout->live = (part->width + 63) / 64;
    layout->crashed = (part->crashed_bits + 63) / 64;
    if (!layout->live) layout->live = 1;
    layout->bytes = offsetof(Configuration, masks) + (size_t)(2 * layout->live + layout->crashed) * sizeof(Word);
    Window *window = &moves->window;
    size_t width = (size_t)part->width + 1;
    window->pure = PyMem_Malloc(width * sizeof *window->pure);
    window->active = PyMem_Malloc(width * sizeof *window->active);
    window->overwrites = PyMem_Calloc((size_t)layout->live, sizeof(Word));
    window->called = PyMem_Calloc((size_t)part->crashed_count + 1, sizeof *window->called);
    moves->spare = PyMem_Calloc(1, layout->bytes);
    moves->tried = PyMem_Calloc((size_t)part->group_count + 1, sizeof *moves->tried);
    if (!window->pure || !window->active || !window->overwrites || !window->called || !moves->tried
        || !moves->spare) {
        PyErr_NoMemory();
        return FAILED;
    }
    moves->fixed_bytes = 2 * width * sizeof *window->pure + (size_t)part->crashed_count * sizeof *window->called
                         + (size_t)part->group_count * sizeof *moves->tried;
    take_calls(moves);
    return 0;
}

void moves_free(Moves *moves) {
    PyMem_Free(moves->window.pure);
    PyMem_Free(moves->window.active);
    PyMem_Free(moves->window.overwrites);
    PyMem_Free(moves->window.called);
    PyMem_Free(moves->tried);
    PyMem_Free(moves->spare);
    PyMem_Free(moves->found.bytes);
    PyMem_Free(moves->paths.steps);
}

size_t moves_bytes(const Moves *moves) {
    return moves->fixed_bytes + moves->found.room * moves->layout.bytes + moves->paths.room * sizeof(Step);
}

/* --- moves -------------------------------------------------------------------------------------------------------- */

Configuration *moves_first(Moves *moves, Pool *pool) {
    Configuration *first = pool_add(pool, &moves->layout, NULL);
    if (!first) return NULL;
    memset(first, 0, moves->layout.bytes);
    first->state = moves->part->memo->initial;
    return first;
}

static int extend(Moves *moves, Configuration *one, int32_t step) {
    uint32_t place = paths_add(&moves->paths, one->path, step);
    one->path = place;
    return place ? 0 : FAILED;
}

int moves_enter(Moves *moves, Configuration *one, int32_t from) {
    Window *window = &moves->window;
    for (int32_t i = from; i < window->pure_count; i++) {
        const Pending *pending = &window->pure[i];
        if (mask_has(low_of(one), pending->slot)) continue;
        int32_t after = memo_next(moves->part->memo, one->state, pending->class_id);
        if (after == FAILED) return FAILED;
        if (after == REFUSED) continue;
        mask_add(low_of(one), pending->slot);
        mask_add(high_of(one, &moves->layout), pending->slot);
        one->idle = 0;
        if (extend(moves, one, pending->operation) < 0) return FAILED;
    }
    return 0;
}

int moves_leave(Moves *moves, Configuration *one) {
    int32_t operation = moves->window.returning;
    int slot = moves->part->pendings[operation].slot;
    one->idle = 0;
    if (!mask_has(low_of(one), slot) && extend(moves, one, -1 - operation) < 0) return FAILED;
    mask_drop(low_of(one), slot);
    mask_drop(high_of(one, &moves->layout), slot);
    return 0;
}

/* One operation linearized: `found` has it at its end. A crashed one gives its bit, another its slot; -1 for none. */
static int add_successor(
    Moves *moves, const Configuration *from, int32_t state, int slot, int bit, int32_t operation, int blind, int idle) {
    const Layout *layout = &moves->layout;
    Configuration *one = pool_add(&moves->found, layout, from);
    if (!one) return FAILED;
    one->state = state;
    one->idle = (unsigned)idle;
    one->overwrote = (unsigned)blind;
    one->entered = one->rest = 0;
    Word *high = high_of(one, layout);
    if (slot >= 0) {
        mask_add(low_of(one), slot);
        mask_add(high, slot);
    } else
        mask_add(crashed_of(one, layout), bit);
    if (blind && moves->part->prunings & ABS)
        for (int i = 0; i < layout->live; i++) high[i] |= moves->window.overwrites[i];
    if (extend(moves, one, operation) < 0) return FAILED;
    return state == from->state ? 0 : moves_enter(moves, one, 0);
}

/* Crashed operations of a class are used from the lowest bit up; how many of those called are used. */
static int used_of(const Word *crashed, const CrashedClass *class, int32_t called) {
    int32_t used = 0;
    while (used < called && mask_has(crashed, class->shift + used)) used++;
    return used;
}

int moves_successors(Moves *moves, const Configuration *from, int first_only) {
    Part *part = moves->part;
    Window *window = &moves->window;
    int prunings = part->prunings;
    moves->found.count = 0;
    if (++moves->stamp == 0) {
        memset(moves->tried, 0, (size_t)part->group_count * sizeof *moves->tried);
        moves->stamp = 1;
    }
    for (int32_t i = 0; i < window->active_count; i++) {
        const Pending *pending = &window->active[i];
        if (mask_has(from->masks, pending->slot)) continue;
        if (prunings & SYM) {
            if (moves->tried[pending->group] == moves->stamp) continue;
            moves->tried[pending->group] = moves->stamp;
        }
        if (from->idle && pending->blind) continue;
        int32_t after = memo_next(part->memo, from->state, pending->class_id);
        if (after == FAILED) return FAILED;
        if (after == REFUSED) continue;
        if (add_successor(moves, from, after, pending->slot, -1, pending->operation, pending->blind,
                          pending->blind && prunings & ABS) < 0)
            return FAILED;
        if (first_only) return 0;
    }
    const Word *crashed = from->masks + 2 * moves->layout.live;
    for (int32_t i = 0; i < part->crashed_count; i++) {
        const CrashedClass *class = &part->crashed[i];
        int32_t called = window->called[i];
        if (!called || (prunings & SYM && moves->tried[class->group] == moves->stamp)) continue;
        if (from->idle && class->blind) continue;
        int32_t used = used_of(crashed, class, called);
        if (used == called) continue;
        int32_t after = memo_next(part->memo, from->state, class->class_id);
        if (after == FAILED) return FAILED;
        if (after == REFUSED || (prunings & DOM && after == from->state)) continue;
        if (prunings & SYM) moves->tried[class->group] = moves->stamp;
        if (add_successor(moves, from, after, -1, class->shift + used, part->crashed_members[class->first + used],
                          class->blind, class->blind && prunings & DOM) < 0)
            return FAILED;
        if (first_only) return 0;
    }
    return 0;
}
