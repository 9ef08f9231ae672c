/* ../possible_states.py: a search that can only refuse, in polynomial time. */
#include "search.h"

#define STATES 2000 /* as in ../possible_states.py */
#define LOOKS 64

/* The place of a state among the possible ones, added if need be; FAILED when out of memory. */
static int place_of(Possible *possible, int32_t state, int words) {
    if (state >= possible->place_room) {
        int32_t room = 2 * state + 64;
        int32_t *places = PyMem_Realloc(possible->places, (size_t)room * sizeof *places);
        if (!places) goto out;
        memset(places + possible->place_room, -1, (size_t)(room - possible->place_room) * sizeof *places);
        possible->places = places;
        possible->place_room = room;
    }
    int32_t place = possible->places[state];
    if (place >= 0) return place;
    place = possible->count;
    if (place == possible->room) {
        int32_t room = place ? 2 * place : 16;
        PossibleState *states = PyMem_Realloc(possible->states, (size_t)room * sizeof *states);
        if (states) possible->states = states;
        Word *masks = PyMem_Realloc(possible->masks, (size_t)room * 2 * (size_t)words * sizeof *masks);
        if (masks) possible->masks = masks;
        if (!states || !masks) goto out;
        possible->room = room;
    }
    possible->states[place] = (PossibleState){state, 1};
    memset(possible->masks + (size_t)place * 2 * (size_t)words, 0, 2 * (size_t)words * sizeof(Word));
    possible->places[state] = possible->count++;
    return place;
out:
    PyErr_NoMemory();
    return FAILED;
}

static Word *done_at(Possible *possible, int32_t place, int words) {
    return possible->masks + (size_t)place * 2 * (size_t)words;
}

/* From the state at `from` an operation leads to another; `slot` is -1 for a crashed one. */
static int follow(Search *search, int32_t from, int slot, int32_t class_id) {
    Possible *possible = &search->possible;
    int words = search->moves.layout.live;
    int32_t after = memo_next(search->moves.part->memo, possible->states[from].state, class_id);
    if (after == FAILED) return FAILED;
    if (after == REFUSED) return 0;
    int32_t to = place_of(possible, after, words);
    if (to < 0) return FAILED;
    Word *source = done_at(possible, from, words), *target = done_at(possible, to, words), changed = 0;
    for (int i = 0; i < words; i++) {
        Word bit = slot >= 0 && slot >> 6 == i ? (Word)1 << (slot & 63) : 0;
        Word done = target[i] | source[i] | bit, open = target[words + i] | (source[words + i] & ~bit);
        changed |= (done ^ target[i]) | (open ^ target[words + i]);
        target[i] = done;
        target[words + i] = open;
    }
    if (changed) possible->states[to].is_changed = 1;
    return 0;
}

/* Follow all moves until nothing new is possible. */
static int close_moves(Search *search) {
    Possible *possible = &search->possible;
    Window *window = &search->moves.window;
    Part *part = search->moves.part;
    int words = search->moves.layout.live;
    uint64_t asked = part->memo->asked, looks = 0;
    for (int is_changed = 1; is_changed;) {
        is_changed = 0;
        for (int32_t place = 0; place < possible->count && possible->count <= STATES; place++) {
            if (!possible->states[place].is_changed) continue;
            possible->states[place].is_changed = 0;
            is_changed = 1;
            for (int32_t i = 0; i < window->pure_count + window->active_count; i++) {
                const Pending *one = i < window->pure_count ? &window->pure[i] : &window->active[i - window->pure_count];
                if (mask_has(done_at(possible, place, words) + words, one->slot)
                    && follow(search, place, one->slot, one->class_id) < 0)
                    return FAILED;
            }
            for (int32_t i = 0; i < part->crashed_count; i++)
                if (window->called[i] && follow(search, place, -1, part->crashed[i].class_id) < 0) return FAILED;
            looks += (uint64_t)(1 + window->pure_count + window->active_count + part->crashed_count);
        }
    }
    search->spent += 1 + looks / LOOKS + ASKING * (part->memo->asked - asked);
    return 0;
}

/* Operations called since the return before are open everywhere. */
static void open_calls(Search *search) {
    Possible *possible = &search->possible;
    Part *part = search->moves.part;
    int words = search->moves.layout.live;
    for (; possible->position < search->moves.window.position; possible->position++) {
        int32_t event = part->events[possible->position];
        if (event < 0 || part->pendings[event].slot < 0) continue;
        for (int32_t place = 0; place < possible->count; place++)
            mask_add(done_at(possible, place, words) + words, part->pendings[event].slot);
    }
    for (int32_t place = 0; place < possible->count; place++) possible->states[place].is_changed = 1;
}

/* Keep the states in which the returning operation may be done. */
static void keep_done(Search *search, int slot) {
    Possible *possible = &search->possible;
    int words = search->moves.layout.live;
    int32_t kept = 0;
    for (int32_t place = 0; place < possible->count; place++) {
        Word *masks = done_at(possible, place, words);
        int32_t state = possible->states[place].state;
        possible->places[state] = -1;
        if (!mask_has(masks, slot)) continue;
        mask_drop(masks, slot);
        mask_drop(masks + words, slot);
        memmove(done_at(possible, kept, words), masks, 2 * (size_t)words * sizeof *masks);
        possible->states[kept] = possible->states[place];
        possible->places[state] = kept++;
    }
    possible->count = kept;
}

int possible_states_advance(Search *search) {
    Possible *possible = &search->possible;
    Moves *moves = &search->moves;
    Window *window = &moves->window;
    if (!search->begun && place_of(possible, moves->part->memo->initial, moves->layout.live) < 0) return FAILED;
    search->begun = 1;
    while (window->returning >= 0) {
        open_calls(search);
        if (close_moves(search) < 0) return FAILED;
        if (possible->count > STATES) return GAVE_UP;
        keep_done(search, moves->part->pendings[window->returning].slot);
        if (!possible->count) return REFUTED;
        search->placed++;
        window_advance(moves);
        if (search->spent >= search->allowed) return RUNNING;
    }
    return GAVE_UP;
}

size_t possible_bytes(const Possible *possible, const Layout *layout) {
    return (size_t)possible->room * (sizeof *possible->states + 2 * (size_t)layout->live * sizeof(Word))
           + (size_t)possible->place_room * sizeof *possible->places;
}

void possible_free(Possible *possible) {
    PyMem_Free(possible->states);
    PyMem_Free(possible->masks);
    PyMem_Free(possible->places);
}
