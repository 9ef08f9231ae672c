/* ../preparation.py: from operations to parts with classes, slots and events in the order of time. */
#include "history.h"

/* --- one part ----------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t key;
    int32_t operation;
} Timed;

/* By time, stable. Histories are nearly in order, so a few shifts usually do; else a radix sort. */
static int sort(Timed *items, Timed *room, int32_t count) {
    int64_t shifts = 8 * (int64_t)count + 64;
    for (int32_t i = 1; i < count; i++) {
        Timed item = items[i];
        int32_t at = i;
        for (; at && items[at - 1].key > item.key; at--) items[at] = items[at - 1];
        items[at] = item;
        shifts -= i - at;
        if (shifts < 0) break;
    }
    if (shifts >= 0) return 0;
    uint64_t least = UINT64_MAX, most = 0;
    for (int32_t i = 0; i < count; i++) {
        if (items[i].key < least) least = items[i].key;
        if (items[i].key > most) most = items[i].key;
    }
    int is_moved = 0;
    for (int shift = 0; shift < 64 && (most - least) >> shift; shift += 11) {
        uint32_t starts[2049] = {0};
        for (int32_t i = 0; i < count; i++) starts[((items[i].key - least) >> shift & 2047) + 1]++;
        for (int i = 0; i < 2048; i++) starts[i + 1] += starts[i];
        for (int32_t i = 0; i < count; i++) room[starts[(items[i].key - least) >> shift & 2047]++] = items[i];
        Timed *other = items;
        items = room;
        room = other;
        is_moved = !is_moved;
    }
    return is_moved; /* whether the result is in `room` */
}

typedef struct {
    Timed *calls, *returns, *room;
    int32_t *classes, *slots, *groups, *crashed_of, *counts;
} Scratch;

static Timed *sorted(Timed **items, Timed **room, int32_t count) {
    if (sort(*items, *room, count)) {
        Timed *other = *items;
        *items = *room;
        *room = other;
    }
    return *items;
}

/* The events: calls and returns in the order of time, calls first at one time. */
static int order_events(History *history, Part *part, Scratch *scratch) {
    int32_t calls = 0, returns = 0;
    for (int32_t i = 0; i < part->size; i++) {
        Py_ssize_t place = part->members ? part->members[i] : i;
        const uint64_t sign = UINT64_C(1) << 63;
        int crashed = history->ret[place] == NEVER;
        if (crashed && part->memo->classes[scratch->classes[i]].pure) continue;
        scratch->calls[calls++] = (Timed){(uint64_t)history->call[place] ^ sign, i};
        if (!crashed) scratch->returns[returns++] = (Timed){(uint64_t)history->ret[place] ^ sign, i};
    }
    /* Stable for ties: an insertion or a radix sort that was broken off has not reordered equal keys. */
    Timed *call = sorted(&scratch->calls, &scratch->room, calls);
    Timed *ret = sorted(&scratch->returns, &scratch->room, returns);
    part->events = PyMem_Malloc((size_t)(calls + returns + 1) * sizeof *part->events);
    if (!part->events) {
        PyErr_NoMemory();
        return FAILED;
    }
    int32_t count = 0;
    for (int32_t c = 0, r = 0; c < calls || r < returns;)
        if (r == returns || (c < calls && call[c].key <= ret[r].key)) part->events[count++] = call[c++].operation;
        else part->events[count++] = -1 - ret[r++].operation;
    part->event_count = count;
    part->return_count = returns;
    return 0;
}

/* Like class_of, but of the whole history's class numbers: operations of one group are alike under SYM. */
static int32_t group_of(Part *part, Scratch *scratch, int32_t class_id) {
    int32_t target = part->memo->classes[class_id].target;
    int32_t known = target == REFUSED ? class_id : part->memo->class_count + target;
    if (scratch->groups[known] < 0) scratch->groups[known] = part->group_count++;
    return scratch->groups[known];
}

static void fill_pending(Part *part, Scratch *scratch, int32_t operation, int32_t slot) {
    const Class *class = &part->memo->classes[scratch->classes[operation]];
    part->pendings[operation] = (Pending){
        operation, 0, scratch->classes[operation], group_of(part, scratch, scratch->classes[operation]), slot,
        class->target != REFUSED, class->pure};
}

/* Crashed operations that are alike get neighbouring bits in the order of their calls. */
static int number_crashed(Part *part, Scratch *scratch, int32_t crashed) {
    part->crashed = PyMem_Calloc((size_t)crashed + 1, sizeof *part->crashed);
    part->crashed_members = PyMem_Malloc(((size_t)crashed + 1) * sizeof *part->crashed_members);
    if (!part->crashed || !part->crashed_members) {
        PyErr_NoMemory();
        return FAILED;
    }
    int is_merged = part->prunings & SYM;
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t i = 0; i < part->event_count; i++) {
            int32_t operation = part->events[i];
            if (operation < 0 || part->pendings[operation].slot >= 0) continue;
            const Pending *pending = &part->pendings[operation];
            if (!pass) {
                int32_t number = is_merged ? scratch->crashed_of[pending->class_id] : -1;
                if (number < 0) {
                    number = part->crashed_count++;
                    scratch->crashed_of[pending->class_id] = number;
                    part->crashed[number] = (CrashedClass){0, 0, 0, pending->class_id, pending->group, pending->blind};
                }
                part->crashed[number].count++;
                part->pendings[operation].slot = -1 - number;
            } else {
                CrashedClass *class = &part->crashed[-1 - pending->slot];
                part->crashed_members[class->first + class->count++] = operation;
            }
        }
        int32_t shift = 0;
        for (int32_t i = 0; i < part->crashed_count && !pass; i++) {
            part->crashed[i].shift = part->crashed[i].first = shift;
            shift += part->crashed[i].count;
            part->crashed[i].count = 0;
        }
    }
    part->crashed_bits = crashed;
    return 0;
}

static int assign_slots(Part *part, Scratch *scratch) {
    part->pendings = PyMem_Malloc(((size_t)part->size + 1) * sizeof *part->pendings);
    if (!part->pendings) {
        PyErr_NoMemory();
        return FAILED;
    }
    for (int32_t i = 0; i < part->size; i++) part->pendings[i].deadline = -1;
    for (int32_t i = 0; i < part->event_count; i++)
        if (part->events[i] < 0) part->pendings[-1 - part->events[i]].deadline = i;
    int32_t free_count = 0, crashed = 0;
    for (int32_t i = 0; i < part->event_count; i++) {
        int32_t event = part->events[i];
        if (event < 0) {
            scratch->slots[free_count++] = part->pendings[-1 - event].slot;
            continue;
        }
        int32_t deadline = part->pendings[event].deadline;
        crashed += deadline < 0;
        fill_pending(part, scratch, event, deadline < 0 ? -1 : free_count ? scratch->slots[--free_count] : part->width++);
        part->pendings[event].deadline = deadline;
    }
    return crashed ? number_crashed(part, scratch, crashed) : 0;
}

/* VALUE: the part gets classes and states of its own if ../preparation.py renames any of its operations. */
static int rename_values(History *history, Part *part, Scratch *scratch) {
    PyObject *samples = PyDict_New();
    for (int32_t i = 0; i < part->size && samples; i++) {
        int32_t class_id = scratch->classes[i];
        if (scratch->counts[class_id]) continue;
        scratch->counts[class_id] = 1;
        PyObject *number = PyLong_FromLong(class_id);
        PyObject *operation = operation_at(history, part->members ? part->members[i] : i);
        if (!number || !operation || PyDict_SetItem(samples, number, operation) < 0) Py_CLEAR(samples);
        Py_XDECREF(number);
        Py_XDECREF(operation);
    }
    for (int32_t i = 0; i < part->size; i++) scratch->counts[scratch->classes[i]] = 0;
    PyObject *answer = samples ? PyObject_CallFunctionObjArgs(
        history->state->renamed, history->memo->transitions, samples, NULL) : NULL;
    Py_XDECREF(samples);
    if (!answer) return FAILED;
    if (answer == Py_None) {
        Py_DECREF(answer);
        return 0;
    }
    /* (its own transitions, its class by class of the history) */
    PyObject *classes = PyTuple_GetItem(answer, 1);
    Memo *memo = classes ? memo_new(PyTuple_GET_ITEM(answer, 0), history->state->inconsistent) : NULL;
    if (memo) {
        memo_release(part->memo);
        part->memo = memo;
        part->renamed = 1;
        for (int32_t i = 0; i < part->size && !PyErr_Occurred(); i++) {
            PyObject *number = PyLong_FromLong(scratch->classes[i]);
            PyObject *own = number ? PyDict_GetItemWithError(classes, number) : NULL;
            scratch->classes[i] = own ? (int32_t)PyLong_AsLong(own) : -1;
            Py_XDECREF(number);
        }
    }
    Py_DECREF(answer);
    return PyErr_Occurred() ? FAILED : 0;
}

static int prepare_part(History *history, Part *part, Scratch *scratch) {
    int crashed = 0;
    for (int32_t i = 0; i < part->size; i++) {
        Py_ssize_t place = part->members ? part->members[i] : i;
        scratch->classes[i] = history->class_of[place];
        crashed |= history->ret[place] == NEVER;
    }
    if (crashed && part->prunings & VALUE && rename_values(history, part, scratch) < 0) return FAILED;
    int result = order_events(history, part, scratch);
    if (!result) result = assign_slots(part, scratch);
    for (int32_t i = 0; i < part->size; i++) { /* leave the scratch as it was */
        const Class *class = &part->memo->classes[scratch->classes[i]];
        scratch->groups[scratch->classes[i]] = scratch->crashed_of[scratch->classes[i]] = -1;
        if (class->target != REFUSED) scratch->groups[part->memo->class_count + class->target] = -1;
    }
    return result;
}

static int scratch_begin(Scratch *scratch, const History *history) {
    size_t count = (size_t)history->count + 1, classes = (size_t)history->memo->class_count + 1, groups = 2 * classes;
    for (size_t i = 0; i + 1 < classes; i++) {
        size_t last = classes + (size_t)(history->memo->classes[i].target + 1);
        if (last > groups) groups = last;
    }
    scratch->calls = PyMem_Malloc(count * sizeof *scratch->calls);
    scratch->returns = PyMem_Malloc(count * sizeof *scratch->returns);
    scratch->room = PyMem_Malloc(count * sizeof *scratch->room);
    scratch->classes = PyMem_Malloc(count * sizeof *scratch->classes);
    scratch->slots = PyMem_Malloc(count * sizeof *scratch->slots);
    scratch->groups = PyMem_Malloc(groups * sizeof *scratch->groups);
    scratch->crashed_of = PyMem_Malloc(classes * sizeof *scratch->crashed_of);
    scratch->counts = PyMem_Calloc(classes, sizeof *scratch->counts);
    if (!scratch->calls || !scratch->returns || !scratch->room || !scratch->classes || !scratch->slots
        || !scratch->groups || !scratch->crashed_of || !scratch->counts) {
        PyErr_NoMemory();
        return FAILED;
    }
    memset(scratch->groups, -1, groups * sizeof *scratch->groups);
    memset(scratch->crashed_of, -1, classes * sizeof *scratch->crashed_of);
    return 0;
}

static void scratch_end(Scratch *scratch) {
    PyMem_Free(scratch->calls);
    PyMem_Free(scratch->returns);
    PyMem_Free(scratch->room);
    PyMem_Free(scratch->classes);
    PyMem_Free(scratch->slots);
    PyMem_Free(scratch->groups);
    PyMem_Free(scratch->crashed_of);
    PyMem_Free(scratch->counts);
}

/* --- all parts ---------------------------------------------------------------------------------------------------- */

static int make_parts(History *history, Scratch *scratch, PyObject *made) {
    Py_ssize_t part_count = PyList_GET_SIZE(history->parts);
    int32_t *sizes = PyMem_Calloc((size_t)part_count + 1, sizeof *sizes);
    if (!sizes) {
        PyErr_NoMemory();
        return FAILED;
    }
    for (Py_ssize_t i = 0; i < history->count; i++) sizes[history->part_of[i]]++;
    int result = 0;
    for (Py_ssize_t p = 0; p < part_count && !result; p++) {
        Part *part = PyObject_New(Part, history->state->part_type);
        if (!part) {
            result = FAILED;
            break;
        }
        memset((char *)part + sizeof(PyObject), 0, sizeof *part - sizeof(PyObject));
        part->key = Py_NewRef(PyList_GET_ITEM(history->parts, p));
        part->history = Py_NewRef(history->operations);
        part->memo = history->memo;
        part->memo->references++;
        part->prunings = history->prunings;
        part->members = part_count == 1 ? NULL : PyMem_Malloc((size_t)sizes[p] * sizeof *part->members);
        part->size = part_count == 1 ? sizes[p] : 0;
        if (part_count > 1 && !part->members) {
            PyErr_NoMemory();
            result = FAILED;
        }
        if (!result) result = PyList_Append(made, (PyObject *)part);
        Py_DECREF(part);
    }
    for (Py_ssize_t i = 0; i < history->count && part_count > 1 && !result; i++) {
        Part *part = (Part *)PyList_GET_ITEM(made, history->part_of[i]);
        part->members[part->size++] = (int32_t)i;
    }
    for (Py_ssize_t p = 0; p < part_count && !result; p++)
        result = prepare_part(history, (Part *)PyList_GET_ITEM(made, p), scratch);
    PyMem_Free(sizes);
    return result;
}

/* parts(operations, model, per_key, by_key, prunings, spend) -> list of Part, as `prepare` in ../preparation.py.
 * by_key: the model's part is a matter of the operation's key alone. */
PyObject *prepare(PyObject *module, PyObject *arguments) {
    PyObject *operations, *model, *spend;
    int per_key, by_key, prunings;
    if (!PyArg_ParseTuple(arguments, "OOppiO", &operations, &model, &per_key, &by_key, &prunings, &spend)) return NULL;
    History *history = PyMem_Calloc(1, sizeof *history);
    if (!history) return PyErr_NoMemory();
    history->state = PyModule_GetState(module);
    history->model = model;
    history->spend = spend;
    history->per_key = per_key;
    history->by_key = by_key;
    history->prunings = prunings;
    PyObject *made = PyList_New(0);
    Scratch scratch = {0};
    if (!made || open_history(history, operations) < 0 || classify(history) < 0
        || scratch_begin(&scratch, history) < 0 || make_parts(history, &scratch, made) < 0)
        Py_CLEAR(made);
    scratch_end(&scratch);
    close_history(history);
    return made;
}
