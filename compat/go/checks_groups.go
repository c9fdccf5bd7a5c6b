package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

const groupPartitions = 6

// registerGroups adds groups of several members: one joins late, one is killed, one returns under its static id.
func registerGroups(h *harness, c client) {
	for name, body := range map[string]func(){
		"group-rebalance": func() { rebalance(c, "range") },
		"cooperative":     func() { cooperative(c) },
		"static-member":   func() { staticMember(c) },
	} {
		if !c.cannot()[name] {
			h.check(name, body)
		}
	}
}

// seenValues is what a member consumed, readable from outside.
type seenValues struct {
	sync.Mutex
	values map[string]bool
}

func (s *seenValues) add(value string) {
	s.Lock()
	defer s.Unlock()
	if s.values == nil {
		s.values = map[string]bool{}
	}
	s.values[value] = true
}

func (s *seenValues) has(value string) bool {
	s.Lock()
	defer s.Unlock()
	return s.values[value]
}

func (s *seenValues) count() int {
	s.Lock()
	defer s.Unlock()
	return len(s.values)
}

type member struct {
	consumer
	seen    seenValues
	stop    chan struct{}
	stopped chan error
}

func enter(c client, topic, group string, options groupOptions) *member {
	m := &member{consumer: must(c.join(topic, group, options)), stop: make(chan struct{}), stopped: make(chan error, 1)}
	go func() {
		for {
			select {
			case <-m.stop:
				m.stopped <- nil
				return
			default:
			}
			records, err := m.poll()
			if err != nil {
				m.stopped <- err
				return
			}
			for _, one := range records {
				m.seen.add(string(one.value))
			}
		}
	}()
	return m
}

func (m *member) leave() {
	close(m.stop)
	err := <-m.stopped
	m.close()
	try(err)
}

// dieLater is the mode of the process that is to die: prints each value that it consumed.
func dieLater(c client, topic, group, assignor string) error {
	one, err := c.join(topic, group, groupOptions{assignor: assignor})
	for err == nil {
		var records []record
		records, err = one.poll()
		for _, found := range records {
			fmt.Println(string(found.value))
		}
	}
	return err
}

func spawn(c client, topic, group, assignor string, seen *seenValues) *exec.Cmd {
	process := exec.Command(os.Args[0], c.name(), "member", c.address(), topic, group, assignor)
	lines := must(process.StdoutPipe())
	try(process.Start())
	go func() {
		for scanner := bufio.NewScanner(lines); scanner.Scan(); {
			seen.add(scanner.Text())
		}
	}()
	return process
}

func rebalance(c client, assignor string) {
	topic := newTopic(c, "group", groupPartitions, nil)
	group := unique(c, "group")
	var all []string
	produce := func() {
		var messages []message
		for partition := range int32(groupPartitions) {
			value := fmt.Sprintf("v%d", len(all))
			messages = append(messages, message{value: []byte(value), partition: partition})
			all = append(all, value)
		}
		must(c.send(topic, messages, produceOptions{}))
	}
	one := enter(c, topic, group, groupOptions{assignor: assignor})
	defer one.leave()
	two := enter(c, topic, group, groupOptions{assignor: assignor})
	defer two.leave()
	var ofTheDead seenValues
	covered := func() bool {
		return !slices.ContainsFunc(all, func(value string) bool {
			return !one.seen.has(value) && !two.seen.has(value) && !ofTheDead.has(value)
		})
	}
	eventually("two members share", func() bool { return len(one.assigned()) == 3 && len(two.assigned()) == 3 })
	produce()
	eventually("two members saw all", covered)
	late := spawn(c, topic, group, assignor, &ofTheDead)
	defer late.Wait()
	defer late.Process.Kill()
	eventually("the late member has a share", func() bool {
		produce()
		return ofTheDead.count() > 0
	})
	try(late.Process.Kill())
	produce()
	eventually("the others took over", covered)
}

func cooperative(c client) {
	topic := newTopic(c, "cooperative", 4, nil)
	group := unique(c, "cooperative")
	one := enter(c, topic, group, groupOptions{assignor: "cooperative"})
	defer one.leave()
	eventually("the first member has all", func() bool { return len(one.assigned()) == 4 })
	two := enter(c, topic, group, groupOptions{assignor: "cooperative"})
	eventually("half moved", func() bool { return len(one.assigned()) == 2 && len(two.assigned()) == 2 })
	yes(!slices.Contains(one.revoked(), 4), "only what moved is revoked")
	two.leave()
	eventually("the first member has all again", func() bool { return len(one.assigned()) == 4 })
	rebalance(c, "cooperative")
}

func staticMember(c client) {
	topic := newTopic(c, "static", 4, nil)
	group := unique(c, "static")
	join := func(instance string) *member {
		return enter(c, topic, group, groupOptions{assignor: "range", instance: instance, session: 30 * time.Second})
	}
	one := join("one")
	defer one.leave()
	two := join("two")
	eventually("both have a share", func() bool { return len(one.assigned()) == 2 && len(two.assigned()) == 2 })
	share := two.assigned()
	two.leave()
	before := len(one.revoked())
	two = join("two")
	eventually("the second returns", func() bool { return slices.Equal(share, two.assigned()) })
	same(before, len(one.revoked()), "rebalances that the first saw meanwhile")
	two.leave()
}
