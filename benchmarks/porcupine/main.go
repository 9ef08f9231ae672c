// Judges the benchmarks' histories with Porcupine: one process a history, so that its peak memory can be told.
//
// Usage: main MODEL TIMEOUT_SECONDS < HISTORY. A history has an operation a line: client, call, return (-1 for crashed),
// function, key, argument, second argument, result; tab separated, strings as they are. Prints seconds and a verdict.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

type input struct {
	f, key, first, second string
}

type output struct {
	known  bool
	result string
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func register(state, in, out interface{}) (bool, interface{}) {
	held, asked, answer := state.(string), in.(input), out.(output)
	switch asked.f {
	case "read":
		return !answer.known || answer.result == held, held
	case "write":
		return true, asked.first
	}
	if !answer.known {
		if held == asked.first {
			return true, asked.second
		}
		return true, held
	}
	if (held == asked.first) != (answer.result == "true") {
		return false, held
	}
	if held == asked.first {
		return true, asked.second
	}
	return true, held
}

func counter(state, in, out interface{}) (bool, interface{}) {
	value, asked, answer := state.(int64), in.(input), out.(output)
	if asked.f == "add" {
		return true, value + number(asked.first)
	}
	return !answer.known || number(answer.result) == value, value
}

func mutex(state, in, out interface{}) (bool, interface{}) {
	held := state.(bool)
	return held == (in.(input).f == "release"), !held
}

func queue(state, in, out interface{}) (bool, interface{}) {
	waiting, asked, answer := state.(string), in.(input), out.(output)
	if asked.f == "enqueue" {
		return true, waiting + asked.first + " "
	}
	if waiting == "" {
		return answer.result == "", waiting
	}
	end := strings.IndexByte(waiting, ' ')
	return waiting[:end] == answer.result, waiting[end+1:]
}

// The log's state: its values, each by an end of line; offsets are counted in them.
func log(state, in, out interface{}) (bool, interface{}) {
	values, asked, answer := state.([]string), in.(input), out.(output)
	if asked.f == "append" {
		return number(answer.result) == int64(len(values)), append(values[:len(values):len(values)], asked.first)
	}
	offset := number(asked.first)
	if offset >= int64(len(values)) {
		return answer.result == "", values
	}
	return values[offset] == answer.result, values
}

func sameLogs(one, other interface{}) bool {
	a, b := one.([]string), other.([]string)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func kv(state, in, out interface{}) (bool, interface{}) {
	content, asked, answer := state.(map[string]string), in.(input), out.(output)
	held := content[asked.key]
	if asked.f == "get" {
		return !answer.known || answer.result == held, content
	}
	changed := make(map[string]string, len(content)+1)
	for key, value := range content {
		changed[key] = value
	}
	if asked.f == "append" {
		changed[asked.key] = held + asked.first
	} else {
		changed[asked.key] = asked.first
	}
	return true, changed
}

func sameMaps(one, other interface{}) bool {
	a, b := one.(map[string]string), other.(map[string]string)
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if b[key] != value {
			return false
		}
	}
	return true
}

func byKey(history []porcupine.Operation) [][]porcupine.Operation {
	parts := map[string][]porcupine.Operation{}
	keys := []string{}
	for _, operation := range history {
		key := operation.Input.(input).key
		if _, known := parts[key]; !known {
			keys = append(keys, key)
		}
		parts[key] = append(parts[key], operation)
	}
	sort.Strings(keys)
	split := [][]porcupine.Operation{}
	for _, key := range keys {
		split = append(split, parts[key])
	}
	return split
}

func model(name string) porcupine.Model {
	switch name {
	case "register":
		return porcupine.Model{Partition: byKey, Init: func() interface{} { return "0" }, Step: register}
	case "counter":
		return porcupine.Model{Init: func() interface{} { return int64(0) }, Step: counter}
	case "mutex":
		return porcupine.Model{Init: func() interface{} { return false }, Step: mutex}
	case "queue":
		return porcupine.Model{Init: func() interface{} { return "" }, Step: queue}
	case "log":
		return porcupine.Model{Init: func() interface{} { return []string{} }, Step: log, Equal: sameLogs}
	case "kv":
		return porcupine.Model{Init: func() interface{} { return map[string]string{} }, Step: kv, Equal: sameMaps}
	}
	panic("no model " + name)
}

func main() {
	history := []porcupine.Operation{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		operation := porcupine.Operation{
			ClientId: int(number(fields[0])), Call: number(fields[1]), Return: number(fields[2]),
			Input:  input{fields[3], fields[4], fields[5], fields[6]},
			Output: output{number(fields[2]) >= 0, fields[7]},
		}
		if operation.Return < 0 {
			operation.Return = math.MaxInt64
		}
		history = append(history, operation)
	}
	timeout := time.Duration(number(os.Args[2])) * time.Second
	began := time.Now()
	verdict := porcupine.CheckOperationsTimeout(model(os.Args[1]), history, timeout)
	words := map[porcupine.CheckResult]string{porcupine.Ok: "valid", porcupine.Illegal: "invalid", porcupine.Unknown: "unknown"}
	fmt.Println(time.Since(began).Seconds(), words[verdict])
}
