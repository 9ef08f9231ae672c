/* Classes and the model's answers: a table of numbers in front of ../transitions.py. */
#include "search.h"

#define FIRST_PLACES 1024
#define MOST (INT64_MAX / 4) /* beyond that, numbers are left to Python */

static int grow(Memo *memo) {
    size_t places = memo->places ? 2 * memo->places : FIRST_PLACES;
    uint64_t *keys = PyMem_Calloc(places, sizeof *keys);
    int32_t *after = PyMem_Malloc(places * sizeof *after);
    if (!keys || !after) {
        PyMem_Free(keys);
        PyMem_Free(after);
        PyErr_NoMemory();
        return FAILED;
    }
    for (size_t i = 0; i < memo->places; i++) {
        if (!memo->keys[i]) continue;
        size_t place = mix(memo->keys[i]) & (places - 1);
        while (keys[place]) place = (place + 1) & (places - 1);
        keys[place] = memo->keys[i];
        after[place] = memo->after[i];
    }
    PyMem_Free(memo->keys);
    PyMem_Free(memo->after);
    memo->keys = keys;
    memo->after = after;
    memo->places = places;
    return 0;
}

/* `adds` of ../operation.py: (amount, before), before None where no state is refused; None where it does not add. */
static void take_sum(Class *class, PyObject *sum) {
    if (sum == Py_None) return;
    PyObject *before = PyTuple_GET_ITEM(sum, 1);
    int is_big, is_big_too = 0;
    class->amount = PyLong_AsLongLongAndOverflow(PyTuple_GET_ITEM(sum, 0), &is_big);
    class->has_before = before != Py_None;
    if (class->has_before) class->before = PyLong_AsLongLongAndOverflow(before, &is_big_too);
    class->adds = !is_big && !is_big_too && -MOST <= class->amount && class->amount <= MOST;
}

/* Take over the classes that the transitions have beyond those known here. */
static int take_classes(Memo *memo) {
    PyObject *pure = memo->pure, *target = memo->target;
    int count = (int)PyList_GET_SIZE(target);
    if (count > memo->class_room) {
        size_t room = 2 * (size_t)count + 32;
        Class *classes = PyMem_Realloc(memo->classes, room * sizeof *classes);
        if (classes) {
            memo->classes = classes;
            memo->class_room = (int)room;
        } else
            PyErr_NoMemory();
    }
    for (int i = memo->class_count; i < count && !PyErr_Occurred(); i++) {
        PyObject *leaves = PyList_GET_ITEM(target, i);
        int32_t state = leaves == Py_None ? REFUSED : (int32_t)PyLong_AsLong(leaves);
        memo->classes[i] = (Class){.target = state, .pure = (char)PyObject_IsTrue(PyList_GET_ITEM(pure, i))};
        take_sum(&memo->classes[i], PyList_GET_ITEM(memo->sums, i));
        memo->class_count = i + 1;
    }
    return PyErr_Occurred() ? FAILED : 0;
}

static PyObject *list_of(PyObject *transitions, const char *name) {
    PyObject *list = PyObject_GetAttrString(transitions, name);
    if (list && !PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError, "%s is no list", name);
        Py_CLEAR(list);
    }
    return list;
}

Memo *memo_new(PyObject *transitions, PyObject *inconsistent) {
    Memo *memo = PyMem_Calloc(1, sizeof *memo);
    if (!memo) return (Memo *)PyErr_NoMemory();
    memo->references = 1;
    memo->transitions = Py_NewRef(transitions);
    memo->inconsistent = Py_NewRef(inconsistent);
    memo->ask = PyObject_GetAttrString(transitions, "ask");
    PyObject *model = memo->ask ? PyObject_GetAttrString(transitions, "model") : NULL;
    memo->step = model ? PyObject_GetAttrString(model, "step") : NULL;
    memo->states = memo->step ? PyObject_GetAttrString(transitions, "states") : NULL;
    memo->samples = memo->states ? list_of(transitions, "samples") : NULL;
    memo->class_of = memo->samples ? PyObject_GetAttrString(transitions, "class_of") : NULL;
    memo->pure = memo->class_of ? list_of(transitions, "pure") : NULL;
    memo->target = memo->pure ? list_of(transitions, "target") : NULL;
    memo->originals = memo->target ? list_of(transitions, "originals") : NULL;
    memo->values = memo->originals ? list_of(transitions, "values") : NULL;
    memo->real = memo->values ? list_of(transitions, "real") : NULL;
    memo->sums = memo->real ? list_of(transitions, "sums") : NULL;
    PyObject *initial = memo->sums ? PyObject_GetAttrString(transitions, "initial") : NULL;
    if (initial) memo->initial = (int32_t)PyLong_AsLong(initial);
    Py_XDECREF(initial);
    Py_XDECREF(model);
    if (PyErr_Occurred() || grow(memo) < 0 || take_classes(memo) < 0) {
        memo_release(memo);
        return NULL;
    }
    return memo;
}

void memo_release(Memo *memo) {
    if (!memo || --memo->references) return;
    Py_XDECREF(memo->transitions);
    PyObject *held[] = {memo->ask, memo->step, memo->inconsistent, memo->samples, memo->originals, memo->states,
                        memo->values, memo->real, memo->class_of, memo->pure, memo->target, memo->sums};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) Py_XDECREF(held[i]);
    PyMem_Free(memo->classes);
    PyMem_Free(memo->wholes);
    PyMem_Free(memo->keys);
    PyMem_Free(memo->after);
    PyMem_Free(memo);
}

int memo_class_of(Memo *memo, PyObject *operation) {
    PyObject *answer = PyObject_CallOneArg(memo->class_of, operation);
    if (!answer) return FAILED;
    int number = (int)PyLong_AsLong(answer);
    Py_DECREF(answer);
    if (PyErr_Occurred() || (number >= memo->class_count && take_classes(memo) < 0)) return FAILED;
    return number;
}

/* The number of a state that is what it seems (VALUE renamed nothing in it), a new one if need be. */
static int32_t number_of(Memo *memo, PyObject *value) {
    PyObject *known = PyDict_GetItemWithError(memo->states, value);
    if (known) return (int32_t)PyLong_AsLong(known);
    if (PyErr_Occurred()) return FAILED;
    Py_ssize_t number = PyList_GET_SIZE(memo->values);
    PyObject *made = PyLong_FromSsize_t(number);
    int result = made && number < INT32_MAX ? PyDict_SetItem(memo->states, value, made) : FAILED;
    Py_XDECREF(made);
    if (result < 0 || PyList_Append(memo->values, value) < 0 || PyList_Append(memo->real, value) < 0) return FAILED;
    return (int32_t)number;
}

/* `ask` of ../transitions.py, which also words what is wrong with a hint. */
static int32_t ask_fully(Memo *memo, int32_t state, int32_t class_id) {
    PyObject *answer = PyObject_CallFunction(memo->ask, "ii", (int)state, (int)class_id);
    if (!answer) return FAILED;
    int32_t after = (int32_t)PyLong_AsLong(answer);
    Py_DECREF(answer);
    return PyErr_Occurred() ? FAILED : after;
}

/* The same for the plain case, in which nothing was renamed and the answer agrees with every hint. */
static int32_t ask(Memo *memo, int32_t state, int32_t class_id) {
    PyObject *value = PyList_GET_ITEM(memo->values, state);
    if (PyList_GET_ITEM(memo->originals, class_id) != Py_None || PyList_GET_ITEM(memo->real, state) != value)
        return ask_fully(memo, state, class_id);
    PyObject *after = PyObject_CallFunctionObjArgs(memo->step, value, PyList_GET_ITEM(memo->samples, class_id), NULL);
    if (!after) return FAILED;
    int is_refusal = PyObject_TypeCheck(after, (PyTypeObject *)memo->inconsistent);
    int32_t number = is_refusal ? REFUSED : number_of(memo, after);
    Py_DECREF(after);
    const Class *class = &memo->classes[class_id];
    int agrees = (class->target == REFUSED || number == class->target)
                 && (!class->pure || number == REFUSED || number == state);
    return number == FAILED || agrees ? number : ask_fully(memo, state, class_id);
}

/* The number that a state is; 0 where it cannot be reckoned with here. */
static int whole_of(Memo *memo, int32_t state, int64_t *number) {
    PyObject *value = PyList_GET_ITEM(memo->values, state);
    int is_big;
    if (!PyLong_CheckExact(value)) return 0;
    *number = PyLong_AsLongLongAndOverflow(value, &is_big);
    return !is_big && -MOST < *number && *number < MOST;
}

/* Note the numbers of all states that are known by now, up to the first that has none. */
static int take_wholes(Memo *memo) {
    int32_t count = (int32_t)PyList_GET_SIZE(memo->values);
    if (count > memo->whole_room) {
        size_t room = 2 * (size_t)count + 32;
        int64_t *wholes = PyMem_Realloc(memo->wholes, room * sizeof *wholes);
        if (!wholes) {
            PyErr_NoMemory();
            return FAILED;
        }
        memo->wholes = wholes;
        memo->whole_room = (int32_t)room;
    }
    while (memo->whole_count < count && whole_of(memo, memo->whole_count, &memo->wholes[memo->whole_count]))
        memo->whole_count++;
    return 0;
}

/* The answer of a class that adds, into `after`; 0 where it cannot be reckoned here. */
static int add(Memo *memo, int32_t state, const Class *class, int32_t *after) {
    if (take_wholes(memo) < 0) return FAILED;
    if (state >= memo->whole_count) return 0;
    int64_t number = memo->wholes[state];
    *after = class->has_before && class->before != number ? REFUSED : state;
    if (*after == REFUSED || !class->amount) return 1;
    PyObject *sum = PyLong_FromLongLong(number + class->amount);
    *after = sum ? number_of(memo, sum) : FAILED;
    Py_XDECREF(sum);
    return *after == FAILED ? FAILED : 1;
}

/* Whether an answer that was reckoned is held against the model's all the same: the first of a class that never
 * refuses, and of the others (there may be as many as operations) each refusal and each acceptance that is the first,
 * the second, the fourth and so on of its kind. */
static int is_checked(Memo *memo, Class *class, int32_t after) {
    uint64_t *count = after == REFUSED ? &memo->refusals : class->has_before ? &memo->acceptances : &class->additions;
    ++*count;
    return class->has_before ? (*count & (*count - 1)) == 0 : *count == 1;
}

/* Reckon the answer where that is possible, else ask. */
static int32_t answer(Memo *memo, int32_t state, int32_t class_id) {
    Class *class = &memo->classes[class_id];
    int32_t after;
    int is_reckoned = class->adds ? add(memo, state, class, &after) : 0;
    if (is_reckoned < 0) return FAILED;
    if (is_reckoned && !is_checked(memo, class, after)) return after;
    memo->asked++;
    return is_reckoned ? ask_fully(memo, state, class_id) : ask(memo, state, class_id);
}

int32_t memo_ask(Memo *memo, int32_t state, int32_t class_id) {
    int32_t after = answer(memo, state, class_id);
    if (after == FAILED || (after == REFUSED && memo->classes[class_id].adds)) return after;
    /* The model ran meanwhile, so the table may have changed: look for a free place only now. */
    if (10 * (memo->used + 1) > 6 * memo->places && grow(memo) < 0) return FAILED;
    uint64_t key = ((uint64_t)(uint32_t)state << 32 | (uint32_t)class_id) + 1;
    size_t place = mix(key) & (memo->places - 1);
    while (memo->keys[place] && memo->keys[place] != key) place = (place + 1) & (memo->places - 1);
    memo->used += !memo->keys[place];
    memo->keys[place] = key;
    memo->after[place] = after;
    return after;
}
