/* The Python side of the compiled search: see module.c. */
#ifndef FENCEPOST_MODULE_H
#define FENCEPOST_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

typedef struct {
    PyTypeObject *part_type, *search_type;
    PyObject *transitions, *renamed, *columns, *inconsistent; /* of ../transitions.py, ../preparation.py and ../operation.py */
} ModuleState;

#endif
