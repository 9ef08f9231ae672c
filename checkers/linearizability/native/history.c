/* Reading operations, from rows or columns: their times, and by what they are made of their classes and parts. */
#include "history.h"

#define SLICE 4096 /* the budget and signals are looked at after so many operations */

static inline size_t address(const PyObject *object) { return (size_t)object >> 4; }

/* --- reading operations ------------------------------------------------------------------------------------------- */

static int read_time(PyObject *value, int64_t *time, Py_ssize_t place) {
    int overflow = 0;
    if (!PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "operation %zd has the time %R, which is no integer", place, value);
        return FAILED;
    }
    *time = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || *time == NEVER) {
        PyErr_Format(PyExc_ValueError, "operation %zd has the time %R, which does not fit 64 bits", place, value);
        return FAILED;
    }
    return 0;
}

/* A column of times without boxed integers, if it is a buffer of them. */
static int read_times(History *history, PyObject *column, int number) {
    if (!PyObject_CheckBuffer(column)) return 0;
    Py_buffer *buffer = &history->times[number];
    if (PyObject_GetBuffer(column, buffer, PyBUF_FORMAT | PyBUF_ND) < 0) return FAILED;
    history->has_times[number] = 1;
    int fits = buffer->itemsize == 8 && buffer->format && strchr("ql", buffer->format[0]) && !buffer->format[1];
    if (!fits || buffer->len / 8 != history->count) {
        PyErr_SetString(PyExc_ValueError, "a column of times must be of signed 64-bit integers, one an operation");
        return FAILED;
    }
    return 0;
}

static int open_columns(History *history, PyObject *columns) {
    static const char *const names[FIELDS] = {"call", "ret", "f", "argument", "result", "process", "key"};
    history->has_columns = 1;
    history->operations = Py_NewRef(columns);
    history->count = PyObject_Length(columns);
    if (history->count < 0) return FAILED;
    for (int i = 0; i < FIELDS; i++) {
        if (i == PROCESS) continue;
        PyObject *column = PyObject_GetAttrString(columns, names[i]);
        if (!column) return FAILED;
        int result = 0;
        if (column != Py_None && (i > RET || !(result = read_times(history, column, i)))
            && (i > RET || !history->has_times[i])) {
            history->columns[i] = PySequence_Fast(column, "a column must be a sequence");
            if (!history->columns[i]) result = FAILED;
            else if (PySequence_Fast_GET_SIZE(history->columns[i]) != history->count) {
                PyErr_Format(PyExc_ValueError, "the column %s has another length than the others", names[i]);
                result = FAILED;
            }
        }
        Py_DECREF(column);
        if (result < 0) return FAILED;
    }
    return 0;
}

static inline PyObject *cell(History *history, int field, Py_ssize_t place) {
    PyObject *column = history->columns[field];
    return column ? PySequence_Fast_GET_ITEM(column, place) : Py_None;
}

/* The operation's fields that matter, borrowed; its times go into the history's arrays. */
static int read_operation(History *history, Py_ssize_t place, PyObject **fields) {
    PyObject *call = NULL, *ret = NULL;
    if (history->has_columns) {
        for (int i = F; i < FIELDS; i++) fields[i] = cell(history, i, place);
        call = cell(history, CALL, place);
        ret = cell(history, RET, place);
        if (history->has_times[CALL]) history->call[place] = ((int64_t *)history->times[CALL].buf)[place];
        if (history->has_times[RET]) history->ret[place] = ((int64_t *)history->times[RET].buf)[place];
    } else {
        PyObject *operation = PyTuple_GET_ITEM(history->operations, place);
        if (!PyTuple_Check(operation) || PyTuple_GET_SIZE(operation) != FIELDS) {
            PyErr_Format(PyExc_TypeError, "operation %zd is a %s, not an Operation", place,
                         Py_TYPE(operation)->tp_name);
            return FAILED;
        }
        for (int i = F; i < FIELDS; i++) fields[i] = PyTuple_GET_ITEM(operation, i);
        call = PyTuple_GET_ITEM(operation, CALL);
        ret = PyTuple_GET_ITEM(operation, RET);
    }
    if (!history->has_times[CALL] && read_time(call, &history->call[place], place) < 0) return FAILED;
    if (!history->has_times[RET]) {
        if (ret == Py_None) history->ret[place] = NEVER;
        else if (read_time(ret, &history->ret[place], place) < 0) return FAILED;
    }
    return 0;
}

PyObject *operation_at(History *history, Py_ssize_t place) {
    return PySequence_GetItem(history->operations, place);
}

/* --- classes and parts -------------------------------------------------------------------------------------------- */

/* Whether it is a pair, such as what a compare-and-set expects and sets: each operation has one of its own. */
static int is_pair(PyObject *argument) { return PyTuple_CheckExact(argument) && PyTuple_GET_SIZE(argument) == 2; }

static size_t argument_hash(PyObject *argument) {
    if (!is_pair(argument)) return address(argument) * 7;
    return address(PyTuple_GET_ITEM(argument, 0)) * 11 + address(PyTuple_GET_ITEM(argument, 1)) * 13;
}

/* Whether two arguments are surely equal: the same object, or pairs of the same objects. */
static int is_same(PyObject *one, PyObject *other) {
    if (one == other) return 1;
    return is_pair(one) && is_pair(other) && PyTuple_GET_ITEM(one, 0) == PyTuple_GET_ITEM(other, 0)
           && PyTuple_GET_ITEM(one, 1) == PyTuple_GET_ITEM(other, 1);
}

static int class_of(History *history, Py_ssize_t place, PyObject **fields) {
    char crashed = history->ret[place] == NEVER;
    size_t hash = address(fields[F]) * 31 + argument_hash(fields[ARGUMENT]) + address(fields[RESULT]) + (size_t)crashed;
    ClassCached *cached = &history->class_cache[mix(hash) % CACHE];
    if (cached->known && cached->f == fields[F] && is_same(cached->argument, fields[ARGUMENT])
        && cached->result == fields[RESULT] && cached->crashed == crashed)
        return cached->number;
    PyObject *key = PyTuple_Pack(4, fields[F], fields[ARGUMENT], fields[RESULT], crashed ? Py_True : Py_False);
    if (!key) return FAILED;
    PyObject *known = PyDict_GetItemWithError(history->classes, key);
    int number = FAILED;
    if (known) number = (int)PyLong_AsLong(known);
    else if (!PyErr_Occurred()) {
        PyObject *operation = operation_at(history, place);
        if (operation) number = memo_class_of(history->memo, operation);
        Py_XDECREF(operation);
        PyObject *value = number < 0 ? NULL : PyLong_FromLong(number);
        if (!value || PyDict_SetItem(history->classes, key, value) < 0) number = FAILED;
        Py_XDECREF(value);
    }
    Py_DECREF(key);
    if (number >= 0)
        *cached = (ClassCached){fields[F], fields[ARGUMENT], fields[RESULT], number, crashed, 1};
    return number;
}

/* Ask the model for the part, and number it. */
static int ask_part(History *history, Py_ssize_t place) {
    PyObject *operation = operation_at(history, place);
    PyObject *key = operation ? PyObject_CallOneArg(history->partition, operation) : NULL;
    Py_XDECREF(operation);
    if (!key) return FAILED;
    int number = FAILED;
    PyObject *known = PyDict_GetItemWithError(history->part_numbers, key);
    if (known) number = (int)PyLong_AsLong(known);
    else if (!PyErr_Occurred()) {
        number = (int)PyList_GET_SIZE(history->parts);
        PyObject *value = PyLong_FromLong(number);
        if (!value || PyDict_SetItem(history->part_numbers, key, value) < 0 || PyList_Append(history->parts, key) < 0)
            number = FAILED;
        Py_XDECREF(value);
    }
    Py_DECREF(key);
    return number;
}

static int part_of(History *history, Py_ssize_t place, PyObject *key) {
    int32_t class_id = history->by_key ? 0 : history->class_of[place]; /* what the part depends on beside the key */
    PartCached *cached = &history->part_cache[mix(address(key) * 31 + (size_t)class_id) % CACHE];
    if (cached->known && cached->key == key && cached->class_id == class_id) return cached->number;
    PyObject *pair = Py_BuildValue("iO", (int)class_id, key);
    if (!pair) return FAILED;
    PyObject *known = PyDict_GetItemWithError(history->parts_by_class, pair);
    int number = FAILED;
    if (known) number = (int)PyLong_AsLong(known);
    else if (!PyErr_Occurred()) {
        number = ask_part(history, place);
        PyObject *value = number < 0 ? NULL : PyLong_FromLong(number);
        if (!value || PyDict_SetItem(history->parts_by_class, pair, value) < 0) number = FAILED;
        Py_XDECREF(value);
    }
    Py_DECREF(pair);
    if (number >= 0) *cached = (PartCached){key, class_id, number, 1};
    return number;
}

int classify(History *history) {
    PyObject *fields[FIELDS];
    for (Py_ssize_t place = 0; place < history->count; place++) {
        if (place % SLICE == 0) {
            PyObject *answer = PyErr_CheckSignals() < 0 ? NULL : PyObject_CallFunction(history->spend, "i", 0);
            if (!answer) return FAILED;
            Py_DECREF(answer);
        }
        if (read_operation(history, place, fields) < 0) return FAILED;
        if (history->ret[place] < history->call[place]) {
            PyObject *operation = operation_at(history, place);
            PyObject *words = operation ? PyObject_CallMethod(operation, "words", NULL) : NULL;
            if (words)
                PyErr_Format(PyExc_ValueError, "operation %zd, %U, returns at %lld before it is called at %lld", place,
                             words, (long long)history->ret[place], (long long)history->call[place]);
            Py_XDECREF(operation);
            Py_XDECREF(words);
            return FAILED;
        }
        history->class_of[place] = class_of(history, place, fields);
        if (history->class_of[place] < 0) return FAILED;
        history->part_of[place] = history->per_key ? part_of(history, place, fields[KEY]) : 0;
        if (history->part_of[place] < 0) return FAILED;
    }
    return 0;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

int open_history(History *history, PyObject *operations) {
    PyObject *transitions = PyObject_CallOneArg(history->state->transitions, history->model);
    if (transitions) history->memo = memo_new(transitions, history->state->inconsistent);
    Py_XDECREF(transitions);
    if (!history->memo) return FAILED;
    if (PyObject_IsInstance(operations, history->state->columns)) {
        if (open_columns(history, operations) < 0) return FAILED;
    } else {
        history->operations = PySequence_Tuple(operations);
        if (!history->operations) return FAILED;
        history->count = PyTuple_GET_SIZE(history->operations);
    }
    if (history->count >= INT32_MAX / 4) {
        PyErr_SetString(PyExc_ValueError, "more than 500 million operations at a time are too many");
        return FAILED;
    }
    size_t count = (size_t)history->count + 1;
    history->call = PyMem_Malloc(count * sizeof *history->call);
    history->ret = PyMem_Malloc(count * sizeof *history->ret);
    history->class_of = PyMem_Malloc(count * sizeof *history->class_of);
    history->part_of = PyMem_Malloc(count * sizeof *history->part_of);
    history->classes = PyDict_New();
    history->parts_by_class = PyDict_New();
    history->part_numbers = PyDict_New();
    history->parts = PyList_New(0);
    history->partition = PyObject_GetAttrString(history->model, "partition");
    if (PyErr_Occurred()) return FAILED;
    if (!history->call || !history->ret || !history->class_of || !history->part_of) {
        PyErr_NoMemory();
        return FAILED;
    }
    return history->per_key || !history->count ? 0 : PyList_Append(history->parts, Py_None);
}

void close_history(History *history) {
    memo_release(history->memo);
    Py_XDECREF(history->operations);
    for (int i = 0; i < FIELDS; i++) Py_XDECREF(history->columns[i]);
    for (int i = 0; i < 2; i++)
        if (history->has_times[i]) PyBuffer_Release(&history->times[i]);
    Py_XDECREF(history->classes);
    Py_XDECREF(history->parts_by_class);
    Py_XDECREF(history->part_numbers);
    Py_XDECREF(history->parts);
    Py_XDECREF(history->partition);
    PyMem_Free(history->call);
    PyMem_Free(history->ret);
    PyMem_Free(history->class_of);
    PyMem_Free(history->part_of);
    PyMem_Free(history);
}
