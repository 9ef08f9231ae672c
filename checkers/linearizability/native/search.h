/* The compiled search: what its files share.
 *
 * It is the search of ../breadth_first.py, ../depth_first.py, ../expansion.py, ../window.py and ../preparation.py, name
 * by name, over flat arrays; their docstrings and ../prunings.py say why it is right. The model stays in Python: its
 * classes, states and answers are those of ../transitions.py, of which the answers are remembered here once more.
 *
 * Conventions: a function that can fail returns a negative number or NULL with a Python exception set. Operations are
 * numbered within their part. Nothing is released to other threads: the GIL is held throughout, and the caller gets
 * control back after every piece of work, so that signals and clocks are looked at there.
 */
#ifndef FENCEPOST_SEARCH_H
#define FENCEPOST_SEARCH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define REFUSED (-1)
#define FAILED (-2)
#define NEVER INT64_MAX /* the return of a crashed operation */

enum { READ = 1, SYM = 2, DOM = 4, ABS = 8, VALUE = 16 }; /* as in ../prunings.py */
typedef enum { RUNNING, ACCEPTED, REJECTED, GAVE_UP, REFUTED } Progress; /* as in ../searching.py */

/* --- masks ------------------------------------------------------------------------------------------------------ */

typedef uint64_t Word;

static inline int mask_has(const Word *mask, int bit) { return (int)(mask[bit >> 6] >> (bit & 63) & 1); }
static inline void mask_add(Word *mask, int bit) { mask[bit >> 6] |= (Word)1 << (bit & 63); }
static inline void mask_drop(Word *mask, int bit) { mask[bit >> 6] &= ~((Word)1 << (bit & 63)); }

static inline int mask_within(const Word *inner, const Word *outer, int words) {
    for (int i = 0; i < words; i++)
        if (inner[i] & ~outer[i]) return 0;
    return 1;
}

static inline int word_count(Word word) {
#if defined(__GNUC__)
    return __builtin_popcountll(word);
#else
    int count = 0;
    for (; word; word &= word - 1) count++;
    return count;
#endif
}

static inline int mask_count(const Word *mask, int words) {
    int count = 0;
    for (int i = 0; i < words; i++) count += word_count(mask[i]);
    return count;
}

static inline uint64_t mix(uint64_t key) {
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 32;
}

/* --- the model's answers (memo.c) ------------------------------------------------------------------------------- */

typedef struct {
    int32_t target; /* the state a blind overwrite leaves; REFUSED for anything else */
    char pure, adds, has_before; /* adds: `amount`, where the state is `before` if that is given */
    int64_t amount, before;
    uint64_t additions; /* how often it was reckoned, where it never refuses */
} Class;

typedef struct {
    int references;
    PyObject *transitions; /* a Transitions of ../transitions.py; of it: */
    PyObject *ask, *step, *inconsistent, *samples, *originals, *states, *values, *real, *class_of, *pure, *target,
        *sums;
    int32_t initial;
    Class *classes;
    int class_count, class_room;
    uint64_t *keys; /* state << 32 | class, + 1; 0 is a free place */
    int32_t *after;
    size_t places, used;
    int64_t *wholes; /* by state, the number that it is; of the first so many, while that is reckoned with */
    int32_t whole_count, whole_room;
    uint64_t refusals, acceptances; /* how many were reckoned */
    uint64_t asked; /* how often the model was asked */
} Memo;

#define KNOWN_REFUSALS 1024 /* after so many, refusals are reckoned at once */
#define ASKING 4 /* asking the model is as much work as looking at so many configurations */

Memo *memo_new(PyObject *transitions, PyObject *inconsistent);
void memo_release(Memo *memo);
/* The number of an operation's class. */
int memo_class_of(Memo *memo, PyObject *operation);
int32_t memo_ask(Memo *memo, int32_t state, int32_t class_id);

/* The state after an operation of the class, REFUSED, or FAILED. */
static inline int32_t memo_next(Memo *memo, int32_t state, int32_t class_id) {
    if (state < memo->whole_count && memo->refusals > KNOWN_REFUSALS) {
        const Class *class = &memo->classes[class_id];
        if (class->adds && class->has_before && class->before != memo->wholes[state]) return REFUSED;
    }
    uint64_t key = ((uint64_t)(uint32_t)state << 32 | (uint32_t)class_id) + 1;
    for (size_t place = mix(key) & (memo->places - 1);; place = (place + 1) & (memo->places - 1)) {
        if (memo->keys[place] == key) return memo->after[place];
        if (!memo->keys[place]) return memo_ask(memo, state, class_id);
    }
}

/* --- a part of a history, prepared (prepare.c) ------------------------------------------------------------------- */

typedef struct {
    int32_t operation, deadline, class_id, group;
    int32_t slot; /* of a crashed operation: -1 - its crashed class */
    char blind, pure;
} Pending;

typedef struct {
    int32_t shift, first, count; /* its lowest bit, and its members in Part.crashed_members */
    int32_t class_id, group;
    char blind;
} CrashedClass;

typedef struct {
    PyObject_HEAD
    PyObject *key, *history, *operations; /* its name; all operations; its own, made when asked for */
    Memo *memo;
    int prunings, renamed;
    int32_t size;
    int32_t *members;  /* which of the history's operations are its own; NULL for all */
    Pending *pendings; /* by operation */
    int32_t *events;   /* an operation for its call, -1 - operation for its return */
    int32_t event_count, return_count;
    CrashedClass *crashed;
    int32_t crashed_count, *crashed_members;
    int32_t group_count, width, crashed_bits;
} Part;

PyObject *prepare(PyObject *module, PyObject *arguments);

/* --- configurations (configurations.c) --------------------------------------------------------------------------- */

/* See ../configurations.py. Its masks lie behind it: low, high, crashed. */
typedef struct {
    int32_t state;
    uint32_t path;  /* a place in Paths */
    int32_t place;  /* depth first: at which return */
    /* see ../configurations.py; covered; depth first: entered the return; only its first move was tried; made by a
     * blind overwrite */
    unsigned idle : 1, dead : 1, entered : 1, rest : 1, overwrote : 1;
    Word masks[];
} Configuration;

typedef struct {
    int live, crashed; /* words of the masks */
    size_t bytes;
} Layout;

static inline Word *low_of(Configuration *one) { return one->masks; }
static inline Word *high_of(Configuration *one, const Layout *layout) { return one->masks + layout->live; }
static inline Word *crashed_of(Configuration *one, const Layout *layout) { return one->masks + 2 * layout->live; }

typedef struct {
    char *bytes;
    size_t count, room;
} Pool;

static inline Configuration *pool_at(const Pool *pool, const Layout *layout, size_t place) {
    return (Configuration *)(pool->bytes + place * layout->bytes);
}
/* A copy of `one` at the end of the pool (its bytes are left open if NULL). Earlier pointers into the pool are void. */
Configuration *pool_add(Pool *pool, const Layout *layout, const Configuration *one);

typedef struct {
    uint64_t key;
    uint32_t head, stamp;
} Chain;

typedef struct {
    Pool pool;
    uint32_t *next; /* by place in the pool, the place + 1 of the next of its chain */
    size_t next_room;
    Chain *chains;
    size_t chain_places, chain_used, live;
    uint32_t stamp;
    uint64_t compared;
} Antichain;

/* 1 if added (what it covers is marked dead), 0 if it is covered itself. Only equal keys are compared. */
int antichain_add(Antichain *chain, const Layout *layout, uint64_t key, const Configuration *one, int exact);
void antichain_clear(Antichain *chain);
void antichain_free(Antichain *chain);
size_t antichain_bytes(const Antichain *chain, const Layout *layout);

/* Orders as trees that share their beginnings: a step and the place of the one before. Place 0 is the beginning. */
typedef struct {
    int32_t step;
    uint32_t before;
} Step;

typedef struct {
    Step *steps;
    size_t count, room, kept;
} Paths;

/* The place of the new step; 0 when out of memory. */
uint32_t paths_add(Paths *paths, uint32_t before, int32_t step);
/* Whether it is worth collecting what no configuration needs any more. */
static inline int paths_are_due(const Paths *paths) { return paths->count > 2 * paths->kept + 65536; }
/* Keep only what the configurations of the pools need, and adjust them. */
int paths_collect(Paths *paths, const Layout *layout, Pool *const *pools, int pool_count);

/* --- the window and the moves (moves.c) -------------------------------------------------------------------------- */

typedef struct {
    int32_t position, place, returning; /* an operation; -1 behind the last return */
    Pending *pure, *active;
    int32_t pure_count, fresh, active_count;
    Word *overwrites;
    int32_t *called; /* by crashed class */
} Window;

typedef struct {
    Part *part;
    Layout layout;
    Window window;
    Paths paths;
    Pool found; /* the successors found last */
    Configuration *spare; /* a place to work in, outside all pools */
    uint32_t *tried, stamp; /* by group */
    size_t fixed_bytes;
} Moves;

int moves_begin(Moves *moves, Part *part);
void moves_free(Moves *moves);
size_t moves_bytes(const Moves *moves);
void window_advance(Moves *moves);
void window_retreat(Moves *moves, int32_t place);
/* The configuration at the start. */
Configuration *moves_first(Moves *moves, Pool *pool);
/* READ for the pure operations from number `from` on. */
int moves_enter(Moves *moves, Configuration *one, int32_t from);
/* Past the return, in place; the operation must be in `high`. */
int moves_leave(Moves *moves, Configuration *one);
/* Linearize one more operation in every way worth trying (only the first way if `first_only`); into moves->found. */
int moves_successors(Moves *moves, const Configuration *from, int first_only);

/* --- the searches (breadth_first.c, depth_first.c, possible_states.c) -------------------------------------------- */

typedef struct {
    int32_t state;
    char is_changed;
} PossibleState;

typedef struct {
    PossibleState *states;
    Word *masks; /* by place among the states: which operations may be done there, and which open */
    int32_t *places, place_room; /* by state, its place; -1 for none */
    int32_t count, room, position;
} Possible;

/* --- foresight (foresight.c) -------------------------------------------------------------------------------------- */

/* See ../foresight.py: which state a class needs and which it gives; negative for none or several. */
typedef struct {
    int32_t class_id, needs, gives;
} ClassNeeds;

/* An operation that needs a state, and the earliest deadline from here on. */
typedef struct {
    int32_t call, deadline, soonest;
} Demand;

typedef struct {
    int32_t *supplies, supply_count, demand_count;
    Demand *demands; /* with one behind the last */
} Timeline;

typedef struct {
    ClassNeeds *classes;
    int32_t *numbers; /* by class, its place among `classes`; -1 for none */
    int32_t *states, class_count, state_count, learnt, timeline_count;
    int is_learnt;
    Timeline *timelines; /* by state */
    int32_t *supplies;
    Demand *demands;
    /* ../foresighted.py */
    Pool kept; /* by block of returns; at place -1 where none is kept yet */
    int has_left;
    int32_t reached, tries;
    uint64_t limit, drawn;
} Foresight;

typedef enum { BREADTH_FIRST, DEPTH_FIRST, POSSIBLE_STATES, FORESIGHTED } Kind;

typedef struct {
    PyObject_HEAD
    Moves moves;
    Kind kind;
    int busy, begun, cut;
    int beam;
    uint64_t explored, spent, allowed;
    int32_t placed;
    /* breadth first */
    Pool frontier;
    Antichain survivors, seen;
    int is_placing;
    size_t cursor;
    uint64_t looks;
    /* depth first */
    Pool stack, furthest;
    Antichain tried;
    Foresight foresight;
    /* possible states */
    Possible possible;
} Search;

int breadth_first_advance(Search *search);
int depth_first_advance(Search *search);
int possible_states_advance(Search *search);
/* ACCEPTED once everything is learnt, GAVE_UP where it does not apply, RUNNING when the allowance is spent. */
int foresight_learn(Search *search);
/* Whether the move from a configuration in this state was a mistake. */
int foresight_is_hopeless(Search *search, int32_t before, Configuration *one);
size_t foresight_bytes(const Foresight *foresight, const Part *part, const Layout *layout);
void foresight_free(Foresight *foresight);
size_t possible_bytes(const Possible *possible, const Layout *layout);
void possible_free(Possible *possible);
/* What ../searching.py calls a Dying, as a tuple. */
PyObject *search_death(Search *search);

#endif
