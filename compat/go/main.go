// The driver of the Go clients: `driver CLIENT BOOTSTRAP RESULTS`, or
// `driver CLIENT member BOOTSTRAP TOPIC GROUP ASSIGNOR` for the member that dies.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name string, arguments []string) error {
	make := map[string]func(string) (client, error){"franz-go": newFranz, "sarama": newSarama}[name]
	if arguments[0] == "member" {
		c, err := make(arguments[1])
		if err != nil {
			return err
		}
		return dieLater(c, arguments[2], arguments[3], arguments[4])
	}
	c, err := make(arguments[0])
	if err != nil {
		return err
	}
	h := &harness{only: os.Getenv("COMPAT_CHECK")}
	registerData(h, c)
	registerGroups(h, c)
	registerAdmin(h, c)
	registerQuotas(h, c)
	return h.run(arguments[1])
}
