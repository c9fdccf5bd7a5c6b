package orders

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// startNode gives the test a node of its own, which goes, with its data, when the test is done, and its address.
func startNode(t *testing.T, overrides ...string) string {
	t.Helper()
	binary := os.Getenv("OTTLA_BINARY")
	if binary == "" {
		binary = "ottla"
	}
	arguments := []string{"server-start", "--ephemeral"}
	for _, override := range overrides {
		arguments = append(arguments, "--override", override)
	}
	node := exec.Command(binary, arguments...)
	said, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Signal(syscall.SIGTERM)
		_ = node.Wait()
	})
	address, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal("the node did not start: run 'ottla server-start --ephemeral' to see why")
	}
	return strings.TrimSpace(address)
}
