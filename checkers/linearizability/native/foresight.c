/* ../foresight.py: which configurations have no future because a state that is still needed cannot come again. */
#include "search.h"

#define STATES 512 /* as in ../foresight.py */
#define QUESTIONS 400000
#define NONE (-1)
#define SEVERAL (-2)
#define BEHIND INT32_MAX /* behind the last event */

/* --- what classes need and give ----------------------------------------------------------------------------------- */

static void add_class(Foresight *foresight, int32_t class_id) {
    if (foresight->numbers[class_id] >= 0) return;
    foresight->numbers[class_id] = foresight->class_count;
    foresight->classes[foresight->class_count++] = (ClassNeeds){class_id, NONE, NONE};
}

static int begin(Foresight *foresight, const Part *part) {
    int32_t classes = part->memo->class_count;
    foresight->classes = PyMem_Malloc(((size_t)classes + 1) * sizeof *foresight->classes);
    foresight->numbers = PyMem_Malloc(((size_t)classes + 1) * sizeof *foresight->numbers);
    foresight->states = PyMem_Malloc((STATES + 1) * sizeof *foresight->states);
    if (!foresight->classes || !foresight->numbers || !foresight->states) {
        PyErr_NoMemory();
        return FAILED;
    }
    memset(foresight->numbers, -1, (size_t)classes * sizeof *foresight->numbers);
    for (int32_t i = 0; i < part->event_count; i++)
        if (part->events[i] >= 0) add_class(foresight, part->pendings[part->events[i]].class_id);
    foresight->states[0] = part->memo->initial;
    foresight->state_count = 1;
    return 0;
}

/* Note that a class leads from one state to another; SEVERAL when it gives more states than one. */
static int note(Foresight *foresight, ClassNeeds *class, int32_t state, int32_t after) {
    class->needs = class->needs == NONE ? state : SEVERAL;
    if (after == state) return 0;
    if (class->gives != NONE && class->gives != after) return SEVERAL;
    class->gives = after;
    for (int32_t i = 0; i < foresight->state_count; i++)
        if (foresight->states[i] == after) return 0;
    foresight->states[foresight->state_count++] = after;
    return foresight->state_count > STATES ? SEVERAL : 0;
}

/* The timelines' places: counted, then laid one behind the other; each one's demands end with one BEHIND all. */
static int lay_timelines(Foresight *foresight, const Part *part) {
    int32_t most = 0, supplies = 0, demands = 0;
    for (int32_t i = 0; i < foresight->state_count; i++)
        if (foresight->states[i] > most) most = foresight->states[i];
    foresight->timeline_count = most + 1;
    foresight->timelines = PyMem_Calloc((size_t)most + 1, sizeof *foresight->timelines);
    foresight->supplies = PyMem_Malloc(((size_t)part->size + 1) * sizeof *foresight->supplies);
    foresight->demands = PyMem_Malloc(((size_t)part->size + (size_t)most + 1) * sizeof *foresight->demands);
    if (!foresight->timelines || !foresight->supplies || !foresight->demands) {
        PyErr_NoMemory();
        return FAILED;
    }
    for (int32_t i = 0; i < part->event_count; i++) {
        if (part->events[i] < 0) continue;
        const Pending *pending = &part->pendings[part->events[i]];
        const ClassNeeds *class = &foresight->classes[foresight->numbers[pending->class_id]];
        if (class->gives >= 0) foresight->timelines[class->gives].supply_count++;
        if (class->needs >= 0 && pending->slot >= 0) foresight->timelines[class->needs].demand_count++;
    }
    for (int32_t state = 0; state <= most; state++) {
        Timeline *timeline = &foresight->timelines[state];
        timeline->supplies = foresight->supplies + supplies;
        timeline->demands = foresight->demands + demands;
        supplies += timeline->supply_count;
        demands += timeline->demand_count + 1;
        timeline->supply_count = timeline->demand_count = 0;
    }
    return 0;
}

static int draw_timelines(Foresight *foresight, const Part *part) {
    for (int32_t i = 0; i < foresight->class_count; i++) {
        ClassNeeds *class = &foresight->classes[i];
        if (class->needs == SEVERAL || foresight->state_count == 1) class->needs = NONE;
    }
    if (lay_timelines(foresight, part) < 0) return FAILED;
    for (int32_t i = 0; i < part->event_count; i++) {
        if (part->events[i] < 0) continue;
        const Pending *pending = &part->pendings[part->events[i]];
        const ClassNeeds *class = &foresight->classes[foresight->numbers[pending->class_id]];
        Timeline *given = class->gives >= 0 ? &foresight->timelines[class->gives] : NULL;
        Timeline *needed = class->needs >= 0 && pending->slot >= 0 ? &foresight->timelines[class->needs] : NULL;
        if (given) given->supplies[given->supply_count++] = i;
        if (needed) needed->demands[needed->demand_count++] = (Demand){i, pending->deadline, 0};
    }
    for (int32_t state = 0; state < foresight->timeline_count; state++) {
        Timeline *timeline = &foresight->timelines[state];
        timeline->demands[timeline->demand_count] = (Demand){BEHIND, BEHIND, BEHIND};
        for (int32_t i = timeline->demand_count; i-- > 0;) {
            Demand *demand = &timeline->demands[i];
            demand->soonest = demand[1].soonest < demand->deadline ? demand[1].soonest : demand->deadline;
        }
    }
    return 0;
}

int foresight_learn(Search *search) {
    Foresight *foresight = &search->foresight;
    Part *part = search->moves.part;
    if (!foresight->classes && begin(foresight, part) < 0) return FAILED;
    for (; foresight->learnt < foresight->state_count; foresight->learnt++) {
        if (search->spent >= search->allowed) return RUNNING;
        if ((int64_t)foresight->state_count * foresight->class_count > QUESTIONS) return GAVE_UP;
        int32_t state = foresight->states[foresight->learnt];
        uint64_t asked = part->memo->asked;
        for (int32_t i = 0; i < foresight->class_count; i++) {
            int32_t after = memo_next(part->memo, state, foresight->classes[i].class_id);
            if (after == FAILED) return FAILED;
            if (after != REFUSED && note(foresight, &foresight->classes[i], state, after) == SEVERAL) return GAVE_UP;
        }
        search->spent += 1 + (uint64_t)foresight->class_count / 16 + ASKING * (part->memo->asked - asked);
    }
    foresight->is_learnt = 1;
    return draw_timelines(foresight, part) < 0 ? FAILED : ACCEPTED;
}

void foresight_free(Foresight *foresight) {
    PyMem_Free(foresight->classes);
    PyMem_Free(foresight->numbers);
    PyMem_Free(foresight->states);
    PyMem_Free(foresight->timelines);
    PyMem_Free(foresight->supplies);
    PyMem_Free(foresight->demands);
    PyMem_Free(foresight->kept.bytes);
}

size_t foresight_bytes(const Foresight *foresight, const Part *part, const Layout *layout) {
    if (!foresight->classes) return 0;
    return (size_t)part->memo->class_count * (sizeof *foresight->classes + sizeof *foresight->numbers)
           + foresight->kept.room * layout->bytes + STATES * sizeof *foresight->states + (size_t)foresight->timeline_count * sizeof *foresight->timelines
           + (foresight->is_learnt ? (size_t)part->size : 0) * (sizeof *foresight->supplies + sizeof *foresight->demands);
}

/* --- looking ahead ------------------------------------------------------------------------------------------------ */

static const ClassNeeds *needs_of(const Foresight *foresight, int32_t class_id) {
    return &foresight->classes[foresight->numbers[class_id]];
}

/* Whether a pending operation that gives the state is not done yet. */
static int is_supplied(Search *search, Configuration *one, int32_t state) {
    Moves *moves = &search->moves;
    const Window *window = &moves->window;
    for (int32_t i = 0; i < window->active_count; i++)
        if (needs_of(&search->foresight, window->active[i].class_id)->gives == state
            && !mask_has(low_of(one), window->active[i].slot))
            return 1;
    for (int32_t i = 0; i < moves->part->crashed_count; i++) {
        const CrashedClass *class = &moves->part->crashed[i];
        if (!window->called[i] || needs_of(&search->foresight, class->class_id)->gives != state) continue;
        if (!mask_has(crashed_of(one, &moves->layout), class->shift + window->called[i] - 1)) return 1;
    }
    return 0;
}

/* The next call, from here on, of an operation that gives the state. */
static int32_t next_supply(const Timeline *timeline, int32_t position) {
    int32_t least = 0, most = timeline->supply_count;
    while (least < most) {
        int32_t middle = (least + most) / 2;
        if (timeline->supplies[middle] > position) most = middle;
        else least = middle + 1;
    }
    return least < timeline->supply_count ? timeline->supplies[least] : BEHIND;
}

/* The first demand that is called from here on. */
static const Demand *next_demand(const Timeline *timeline, int32_t position) {
    int32_t least = 0, most = timeline->demand_count;
    while (least < most) {
        int32_t middle = (least + most) / 2;
        if (timeline->demands[middle].call > position) most = middle;
        else least = middle + 1;
    }
    return &timeline->demands[least];
}

/* Whether a pending operation that is not done returns before `limit` and needs the state (or, `other`, another). */
static int is_needed(Search *search, Configuration *one, int32_t state, int32_t limit, int other) {
    const Window *window = &search->moves.window;
    const Pending *lists[] = {window->pure, window->active};
    const int32_t counts[] = {window->pure_count, window->active_count};
    for (int list = 0; list < 2; list++)
        for (int32_t i = 0; i < counts[list]; i++) {
            const Pending *pending = &lists[list][i];
            if (pending->deadline >= limit || mask_has(low_of(one), pending->slot)) continue;
            int32_t needs = needs_of(&search->foresight, pending->class_id)->needs;
            if (needs >= 0 && (needs == state) != other) return 1;
        }
    return 0;
}

static int is_lost(Search *search, Configuration *one, int32_t state) {
    if (is_supplied(search, one, state)) return 0;
    const Timeline *timeline = &search->foresight.timelines[state];
    int32_t position = search->moves.window.position, again = next_supply(timeline, position);
    return next_demand(timeline, position)->soonest < again || is_needed(search, one, state, again, 0);
}

static int is_stuck(Search *search, Configuration *one) {
    if (is_supplied(search, one, one->state)) return 0;
    const Timeline *timeline = &search->foresight.timelines[one->state];
    int32_t position = search->moves.window.position, again = next_supply(timeline, position), until = -1;
    for (const Demand *demand = next_demand(timeline, position); demand->call < again; demand++)
        if (demand->deadline < again) until = demand->call;
    return until >= 0 && is_needed(search, one, one->state, until, 1);
}

int foresight_is_hopeless(Search *search, int32_t before, Configuration *one) {
    if (one->state != before) return is_lost(search, one, before) || is_stuck(search, one);
    const Pending *returning = &search->moves.part->pendings[search->moves.window.returning];
    if (!mask_has(low_of(one), returning->slot)) return 0;
    int32_t hidden = needs_of(&search->foresight, returning->class_id)->gives;
    return hidden >= 0 && hidden != one->state && is_lost(search, one, hidden);
}
