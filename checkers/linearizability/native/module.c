/* _search: the compiled search as Python sees it, through ../compiled.py. */
#include "module.h"

#include "search.h"

#include <structmember.h>

#define INTERFACE 6 /* as in ../compiled.py */

/* --- Part --------------------------------------------------------------------------------------------------------- */

static void part_free(Part *part) {
    PyTypeObject *type = Py_TYPE(part);
    Py_XDECREF(part->key);
    Py_XDECREF(part->history);
    Py_XDECREF(part->operations);
    memo_release(part->memo);
    PyMem_Free(part->members);
    PyMem_Free(part->pendings);
    PyMem_Free(part->events);
    PyMem_Free(part->crashed);
    PyMem_Free(part->crashed_members);
    PyObject_Free(part);
    Py_DECREF(type);
}

static PyObject *part_operations(Part *part, void *unused) {
    (void)unused;
    if (!part->operations && !part->members && PyTuple_Check(part->history))
        part->operations = Py_NewRef(part->history);
    if (!part->operations) {
        PyObject *own = PyTuple_New(part->size);
        for (int32_t i = 0; own && i < part->size; i++) {
            PyObject *operation = PySequence_GetItem(part->history, part->members ? part->members[i] : i);
            if (operation) PyTuple_SET_ITEM(own, i, operation);
            else Py_CLEAR(own);
        }
        part->operations = own;
    }
    return Py_XNewRef(part->operations);
}

static PyObject *part_search(Part *part, PyTypeObject *defining, PyObject *const *arguments, Py_ssize_t count,
                             PyObject *names) {
    if (count != 2 || names) {
        PyErr_SetString(PyExc_TypeError, "search takes (kind, beam)");
        return NULL;
    }
    ModuleState *state = PyType_GetModuleState(defining);
    long kind = PyLong_AsLong(arguments[0]);
    long beam = PyLong_AsLong(arguments[1]);
    if (!state || PyErr_Occurred()) return NULL;
    Search *search = PyObject_New(Search, state->search_type);
    if (!search) return NULL;
    memset((char *)search + sizeof(PyObject), 0, sizeof *search - sizeof(PyObject));
    search->kind = (Kind)kind;
    search->beam = (int)beam;
    Py_INCREF(part);
    if (moves_begin(&search->moves, part) < 0) Py_CLEAR(search);
    return (PyObject *)search;
}

static Py_ssize_t part_length(Part *part) { return part->size; }

static PyObject *part_item(Part *part, Py_ssize_t place) {
    if (place < 0 || place >= part->size) {
        PyErr_SetString(PyExc_IndexError, "a part has no such operation");
        return NULL;
    }
    return PySequence_GetItem(part->history, part->members ? part->members[place] : place);
}

static PyGetSetDef part_properties[] = {
    {"operations", (getter)part_operations, NULL, "Its operations.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef part_members[] = {
    {"key", T_OBJECT, offsetof(Part, key), READONLY, "Its name."},
    {"size", T_INT, offsetof(Part, size), READONLY, "How many operations it has."},
    {"width", T_INT, offsetof(Part, width), READONLY, "How many operations that return are pending at a time."},
    {"renamed", T_BOOL, offsetof(Part, renamed), READONLY, "Whether VALUE renamed anything."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef part_methods[] = {
    {"search", (PyCFunction)(void (*)(void))part_search, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "search(kind, beam) -> Search"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot part_slots[] = {
    {Py_tp_dealloc, part_free}, {Py_sq_length, part_length}, {Py_sq_item, part_item}, {Py_tp_getset, part_properties}, {Py_tp_members, part_members},
    {Py_tp_methods, part_methods}, {Py_tp_doc, "A part of a history, ready to be searched."}, {0, NULL},
};

static PyType_Spec part_spec = {
    "fencepost.checkers.linearizability._search.Part", sizeof(Part), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, part_slots};

/* --- Search ------------------------------------------------------------------------------------------------------- */

static void search_free(Search *search) {
    PyTypeObject *type = Py_TYPE(search);
    Py_XDECREF(search->moves.part);
    moves_free(&search->moves);
    PyMem_Free(search->frontier.bytes);
    PyMem_Free(search->stack.bytes);
    PyMem_Free(search->furthest.bytes);
    antichain_free(&search->survivors);
    antichain_free(&search->seen);
    antichain_free(&search->tried);
    possible_free(&search->possible);
    foresight_free(&search->foresight);
    PyObject_Free(search);
    Py_DECREF(type);
}

static PyObject *search_advance(Search *search, PyObject *work) {
    long long more = PyLong_AsLongLong(work);
    if (more < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "work is not negative");
        return NULL;
    }
    if (search->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the model called the search that is asking it, or an answer had failed");
        return NULL;
    }
    search->busy = 1;
    search->allowed = search->spent + (uint64_t)more;
    static int (*const advance[])(Search *) = {
        breadth_first_advance, depth_first_advance, possible_states_advance, depth_first_advance};
    int progress = advance[search->kind](search);
    if (progress < 0) return NULL; /* and it stays busy: half a move is no place to go on from */
    search->busy = 0;
    return PyLong_FromLong(progress);
}

static PyObject *search_dying(Search *search, PyObject *unused) {
    (void)unused;
    return search_death(search);
}

static PyObject *search_memory(Search *search, void *unused) {
    (void)unused;
    const Layout *layout = &search->moves.layout;
    size_t pools = search->frontier.room + search->stack.room + search->furthest.room;
    return PyLong_FromSize_t(
        sizeof *search + moves_bytes(&search->moves) + pools * layout->bytes + antichain_bytes(&search->survivors, layout)
        + antichain_bytes(&search->seen, layout) + antichain_bytes(&search->tried, layout)
        + possible_bytes(&search->possible, layout) + foresight_bytes(&search->foresight, search->moves.part, layout));
}

static PyGetSetDef search_properties[] = {
    {"memory_bytes", (getter)search_memory, NULL, "What it holds.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef search_members[] = {
    {"explored", T_ULONGLONG, offsetof(Search, explored), READONLY, "Configurations looked at."},
    {"placed", T_INT, offsetof(Search, placed), READONLY, "How many returns some configuration survives."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef search_methods[] = {
    {"advance", (PyCFunction)search_advance, METH_O, "advance(work) -> the number of a Progress"},
    {"death", (PyCFunction)search_dying, METH_NOARGS, "death() -> the fields of a Dying"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot search_slots[] = {
    {Py_tp_dealloc, search_free}, {Py_tp_getset, search_properties}, {Py_tp_members, search_members},
    {Py_tp_methods, search_methods}, {Py_tp_doc, "A search over a part, done in pieces."}, {0, NULL},
};

static PyType_Spec search_spec = {
    "fencepost.checkers.linearizability._search.Search", sizeof(Search), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, search_slots};

/* --- the module --------------------------------------------------------------------------------------------------- */

static int import(PyObject **into, const char *module, const char *name) {
    PyObject *from = PyImport_ImportModule(module);
    *into = from ? PyObject_GetAttrString(from, name) : NULL;
    Py_XDECREF(from);
    return *into ? 0 : -1;
}

static int add_type(PyObject *module, PyTypeObject **into, PyType_Spec *spec) {
    *into = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *into ? 0 : -1;
}

static int module_execute(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    if (import(&state->transitions, "fencepost.checkers.linearizability.transitions", "Transitions") < 0
        || import(&state->renamed, "fencepost.checkers.linearizability.preparation", "renamed") < 0
        || import(&state->columns, "fencepost.checkers.linearizability.operation", "Columns") < 0
        || import(&state->inconsistent, "fencepost.checkers.linearizability.operation", "Inconsistent") < 0)
        return -1;
    if (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0) return -1;
    if (add_type(module, &state->part_type, &part_spec) < 0) return -1;
    return add_type(module, &state->search_type, &search_spec);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    ModuleState *state = PyModule_GetState(module);
    Py_VISIT(state->part_type);
    Py_VISIT(state->search_type);
    Py_VISIT(state->transitions);
    Py_VISIT(state->renamed);
    Py_VISIT(state->columns);
    Py_VISIT(state->inconsistent);
    return 0;
}

static int module_clear(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    Py_CLEAR(state->part_type);
    Py_CLEAR(state->search_type);
    Py_CLEAR(state->transitions);
    Py_CLEAR(state->renamed);
    Py_CLEAR(state->columns);
    Py_CLEAR(state->inconsistent);
    return 0;
}

static PyMethodDef module_methods[] = {
    {"parts", prepare, METH_VARARGS, "parts(operations, model, per_key, by_key, prunings, spend) -> list of Part"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_execute}, {0, NULL}};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_search", "The compiled search for linearizations.", sizeof(ModuleState), module_methods,
    module_slots, module_traverse, module_clear, NULL};

PyMODINIT_FUNC PyInit__search(void) { return PyModuleDef_Init(&module_definition); }
