/* Classes and the model's answers: a table of numbers in front of ../transitions.py. */
#include "search.h"

#define FIRST_PLACES 1024

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

/* Take over the classes that the transitions have beyond those known here. */
static int take_classes(Memo *memo) {
    PyObject *pure = PyObject_GetAttrString(memo->transitions, "pure");
    PyObject *target = pure ? PyObject_GetAttrString(memo->transitions, "target") : NULL;
    int count = target && PyList_Check(pure) && PyList_Check(target) ? (int)PyList_GET_SIZE(target) : 0;
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
        memo->classes[i] = (Class){state, (char)PyObject_IsTrue(PyList_GET_ITEM(pure, i))};
        memo->class_count = i + 1;
    }
    Py_XDECREF(pure);
    Py_XDECREF(target);
    return PyErr_Occurred() ? FAILED : 0;
}

Memo *memo_new(PyObject *transitions) {
    Memo *memo = PyMem_Calloc(1, sizeof *memo);
    if (!memo) return (Memo *)PyErr_NoMemory();
    memo->references = 1;
    memo->transitions = Py_NewRef(transitions);
    memo->ask = PyObject_GetAttrString(transitions, "ask");
    PyObject *initial = PyObject_GetAttrString(transitions, "initial");
    if (memo->ask && initial) memo->initial = (int32_t)PyLong_AsLong(initial);
    Py_XDECREF(initial);
    if (PyErr_Occurred() || grow(memo) < 0 || take_classes(memo) < 0) {
        memo_release(memo);
        return NULL;
    }
    return memo;
}

void memo_release(Memo *memo) {
    if (!memo || --memo->references) return;
    Py_XDECREF(memo->transitions);
    Py_XDECREF(memo->ask);
    PyMem_Free(memo->classes);
    PyMem_Free(memo->keys);
    PyMem_Free(memo->after);
    PyMem_Free(memo);
}

int memo_class_of(Memo *memo, PyObject *operation) {
    PyObject *answer = PyObject_CallMethod(memo->transitions, "class_of", "(O)", operation);
    if (!answer) return FAILED;
    int number = (int)PyLong_AsLong(answer);
    Py_DECREF(answer);
    if (PyErr_Occurred() || (number >= memo->class_count && take_classes(memo) < 0)) return FAILED;
    return number;
}

int32_t memo_ask(Memo *memo, int32_t state, int32_t class_id) {
    memo->asked++;
    PyObject *answer = PyObject_CallFunction(memo->ask, "ii", (int)state, (int)class_id);
    if (!answer) return FAILED;
    int32_t after = (int32_t)PyLong_AsLong(answer);
    Py_DECREF(answer);
    if (PyErr_Occurred()) return FAILED;
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
