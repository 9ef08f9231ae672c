/* A history while it is being prepared: its operations, their times, classes and parts (history.c). */
#ifndef FENCEPOST_HISTORY_H
#define FENCEPOST_HISTORY_H

#include "module.h"
#include "search.h"

#define CACHE 1024 /* places of the caches that spare a look into a dictionary */

enum { CALL, RET, F, ARGUMENT, RESULT, PROCESS, KEY, FIELDS };

/* An operation's class or part by the objects that it is made of, while these are the same objects. */
typedef struct {
    PyObject *f, *argument, *result;
    int32_t number;
    char crashed, known;
} ClassCached;

typedef struct {
    PyObject *key;
    int32_t class_id, number;
    char known;
} PartCached;

typedef struct {
    ModuleState *state;
    PyObject *operations; /* a tuple of Operations, or Columns */
    PyObject *columns[FIELDS]; /* of Columns: fast sequences; NULL where left out or in a buffer */
    Py_buffer times[2];
    int has_columns, has_times[2];
    PyObject *model, *spend, *partition;
    int per_key, by_key, prunings;
    Py_ssize_t count;
    Memo *memo;
    int64_t *call, *ret;
    int32_t *class_of, *part_of;
    PyObject *classes, *parts_by_class, *parts; /* dictionaries; the parts' keys in a list */
    PyObject *part_numbers;
    ClassCached class_cache[CACHE];
    PartCached part_cache[CACHE];
} History;

/* Take the operations (or columns) and what goes with them; close_history gives everything back, also after a failure. */
int open_history(History *history, PyObject *operations);
void close_history(History *history);
/* Read every operation: times, class, part. */
int classify(History *history);
/* The operation itself, a new reference. */
PyObject *operation_at(History *history, Py_ssize_t place);

#endif
