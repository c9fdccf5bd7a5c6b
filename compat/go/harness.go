package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	sideBySide = 4
	watchdog   = 60 * time.Second
)

// harness runs named checks, a few side by side, each under a watchdog, and writes one line of JSON for each. The
// first line names the plan, so that a driver which dies on the way is told from one that has nothing to say.
type harness struct {
	names  []string
	bodies []func()
	only   string
}

type result struct {
	Check   string  `json:"check"`
	OK      bool    `json:"ok"`
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
}

func (h *harness) check(name string, body func()) {
	if h.only == "" || strings.Contains(","+h.only+",", ","+name+",") {
		h.names = append(h.names, name)
		h.bodies = append(h.bodies, body)
	}
}

func (h *harness) run(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	var lock sync.Mutex
	write := func(line any) {
		text, _ := json.Marshal(line)
		lock.Lock()
		defer lock.Unlock()
		out.Write(append(text, '\n'))
		out.Flush()
	}
	write(map[string][]string{"plan": h.names})
	todo := make(chan int)
	var workers sync.WaitGroup
	for range sideBySide {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for index := range todo {
				write(one(h.names[index], h.bodies[index]))
			}
		}()
	}
	for index := range h.names {
		todo <- index
	}
	close(todo)
	workers.Wait()
	return nil
}

func one(name string, body func()) result {
	began := time.Now()
	done := make(chan string, 1)
	go func() {
		defer func() {
			if thrown := recover(); thrown != nil {
				done <- fmt.Sprint(thrown) + where()
				return
			}
			done <- ""
		}()
		body()
	}()
	detail := fmt.Sprintf("no end after %v", watchdog)
	select {
	case detail = <-done:
	case <-time.After(watchdog):
	}
	if len(detail) > 400 {
		detail = detail[:400]
	}
	return result{name, detail == "", detail, time.Since(began).Seconds()}
}

// where names the line of a check that failed.
func where() string {
	pcs := make([]uintptr, 50)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for {
		frame, more := frames.Next()
		if at := strings.LastIndex(frame.File, "/checks_"); at >= 0 {
			return fmt.Sprintf(" at %s:%d", frame.File[at+1:], frame.Line)
		}
		if !more {
			return ""
		}
	}
}

func fail(text string, arguments ...any) {
	panic(fmt.Sprintf(text, arguments...))
}

func try(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func must[T any](value T, err error) T {
	try(err)
	return value
}

func same(expected, found any, what string) {
	if !reflect.DeepEqual(expected, found) {
		fail("%s: expected %v, found %v", what, expected, found)
	}
}

func yes(holds bool, what string) {
	if !holds {
		fail("%s", what)
	}
}

// eventually asks again until it holds: metadata reaches a broker a moment after the controller's answer.
func eventually(what string, holds func() bool) {
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		yes(time.Now().Before(deadline), "never happened: "+what)
		time.Sleep(20 * time.Millisecond)
	}
}

// fails wants Kafka's error code; what carries it differs from client to client.
func fails(c client, code int, err error) {
	if err == nil {
		fail("expected error %d, but it succeeded", code)
	}
	same(code, c.errorCode(err), fmt.Sprintf("error code of %q", err))
}
