/* ../standings.py: configurations at a death, told by the operations that they consist of. */
#include "search.h"

#include <stdlib.h>

#define TOLD 8 /* as in ../standings.py */

typedef struct {
    int crashed;
    const Configuration *one;
} Ranked;

static int by_crashed(const void *one, const void *other) {
    const Ranked *a = one, *b = other;
    if (a->crashed != b->crashed) return a->crashed < b->crashed ? -1 : 1;
    return a->one->state < b->one->state ? -1 : a->one->state > b->one->state;
}

static int append(PyObject *list, int32_t number) {
    PyObject *item = PyLong_FromLong(number);
    int result = item ? PyList_Append(list, item) : FAILED;
    Py_XDECREF(item);
    return result;
}

/* The order that a path stands for, into `order`; its length. An operation that counts as done just before an overwrite
 * is put there. */
static int32_t order_of(const Moves *moves, uint32_t path, int32_t *order) {
    int32_t count = 0, length = 0, overwrite = 0;
    for (uint32_t at = path; at; at = moves->paths.steps[at].before) count++;
    int32_t *steps = order + moves->part->size; /* the second half, so that insertions overtake nothing */
    for (uint32_t at = path, i = (uint32_t)count; at; at = moves->paths.steps[at].before)
        steps[--i] = moves->paths.steps[at].step;
    for (int32_t i = 0; i < count; i++) {
        int32_t step = steps[i];
        if (step < 0) {
            memmove(order + overwrite + 1, order + overwrite, (size_t)(length - overwrite) * sizeof *order);
            order[overwrite++] = -1 - step;
        } else {
            if (moves->part->pendings[step].blind) overwrite = length;
            order[length] = step;
        }
        length++;
    }
    return length;
}

static PyObject *standing(Search *search, const Configuration *one, const int32_t *order, int32_t shared, int32_t count) {
    Moves *moves = &search->moves;
    Part *part = moves->part;
    Window *window = &moves->window;
    PyObject *value = PyObject_CallMethod(part->memo->transitions, "value", "i", (int)one->state);
    PyObject *taken = PyList_New(0), *used = PyList_New(0), *rest = PyList_New(0), *made = NULL;
    if (!value || !taken || !used || !rest) goto done;
    for (int32_t i = 0; i < window->pure_count + window->active_count; i++) {
        const Pending *pending = i < window->pure_count ? &window->pure[i] : &window->active[i - window->pure_count];
        if (mask_has(one->masks, pending->slot) && append(taken, pending->operation) < 0) goto done;
    }
    if (PyList_Sort(taken) < 0) goto done;
    for (int32_t i = 0; i < part->crashed_bits; i++)
        if (mask_has(one->masks + 2 * moves->layout.live, i) && append(used, part->crashed_members[i]) < 0) goto done;
    for (int32_t i = shared; i < count; i++)
        if (append(rest, order[i]) < 0) goto done;
    made = Py_BuildValue("OOOiO", value, taken, used, (int)shared, rest);
done:
    Py_XDECREF(value);
    Py_XDECREF(taken);
    Py_XDECREF(used);
    Py_XDECREF(rest);
    return made;
}

/* What else is pending at the return. */
static PyObject *waiting(const Moves *moves) {
    const Window *window = &moves->window;
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < window->pure_count + window->active_count; i++) {
        int32_t operation = (i < window->pure_count ? &window->pure[i]
                                                    : &window->active[i - window->pure_count])->operation;
        if (operation != window->returning && append(list, operation) < 0) Py_CLEAR(list);
    }
    if (list && PyList_Sort(list) < 0) Py_CLEAR(list);
    for (int32_t i = 0; list && i < moves->part->crashed_count; i++)
        for (int32_t j = 0; list && j < window->called[i]; j++)
            if (append(list, moves->part->crashed_members[moves->part->crashed[i].first + j]) < 0) Py_CLEAR(list);
    return list;
}

PyObject *search_death(Search *search) {
    Moves *moves = &search->moves;
    const Layout *layout = &moves->layout;
    Pool *frontier = search->kind == DEPTH_FIRST ? &search->furthest : &search->frontier;
    if (search->kind == DEPTH_FIRST) {
        if (moves->window.place > search->placed) window_retreat(moves, search->placed);
        while (moves->window.place < search->placed) window_advance(moves);
    }
    Ranked *ranked = PyMem_Malloc((frontier->count + 1) * sizeof *ranked);
    int32_t *orders = PyMem_Malloc((4 * (size_t)moves->part->size + 4) * sizeof *orders);
    int32_t *first = orders, *order = orders + 2 * (size_t)moves->part->size + 2, first_count = 0;
    PyObject *standings = PyList_New(0), *pending = waiting(moves), *made = NULL;
    if (!ranked || !orders) PyErr_NoMemory();
    if (!ranked || !orders || !standings || !pending) goto done;
    for (size_t i = 0; i < frontier->count; i++) {
        Configuration *one = pool_at(frontier, layout, i);
        ranked[i] = (Ranked){mask_count(crashed_of(one, layout), layout->crashed), one};
    }
    qsort(ranked, frontier->count, sizeof *ranked, by_crashed);
    size_t told = frontier->count < TOLD ? frontier->count : TOLD;
    for (size_t i = 0; i < told; i++) {
        int32_t count = order_of(moves, ranked[i].one->path, i ? order : first), shared = 0;
        if (!i) first_count = count;
        else
            while (shared < count && shared < first_count && order[shared] == first[shared]) shared++;
        PyObject *item = standing(search, ranked[i].one, i ? order : first, shared, count);
        if (!item || PyList_Append(standings, item) < 0) {
            Py_XDECREF(item);
            goto done;
        }
        Py_DECREF(item);
    }
    made = Py_BuildValue("iiOOn", (int)moves->window.returning, (int)moves->window.place, pending, standings,
                         (Py_ssize_t)(frontier->count - told));
done:
    PyMem_Free(ranked);
    PyMem_Free(orders);
    Py_XDECREF(standings);
    Py_XDECREF(pending);
    return made;
}
