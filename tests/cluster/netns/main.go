// Command netns runs a program in a network namespace of its own that has
// only loopback, up, with 10.99.0.1 on it, and in a process namespace, so that
// whatever the program leaves running ends with it; the temporary files that it
// leaves are removed. Nothing of the host's network is touched or reachable.
//
// The address is needed because the API server refuses loopback addresses in
// Endpoints. Where the caller may not make namespaces, a user namespace in
// which it is root comes first.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"
)

// The name under which this program runs itself as the namespace's first
// process.
const initName = "netns-init"

var podAddress = [4]byte{10, 99, 0, 1}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: netns PROGRAM [ARGUMENT…]")
		os.Exit(2)
	}
	run := outside
	if os.Args[0] == initName {
		run = inside
	}
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "netns:", err)
	}
	os.Exit(status)
}

// outside starts this program again in new namespaces.
func outside(args []string) (int, error) {
	// The child is told of its parent's death when the thread that made it ends.
	runtime.LockOSThread()
	temporary, err := os.MkdirTemp("", "netns-")
	if err != nil {
		return 1, err
	}
	// Runs when the namespace's last process is gone.
	defer os.RemoveAll(temporary)
	flags := uintptr(syscall.CLONE_NEWNET | syscall.CLONE_NEWPID)
	start := func(attributes *syscall.SysProcAttr) (*exec.Cmd, error) {
		child := command("/proc/self/exe", args)
		child.Args[0] = initName
		child.Env = append(os.Environ(), "TMPDIR="+temporary)
		attributes.Pdeathsig = syscall.SIGKILL
		child.SysProcAttr = attributes
		return child, child.Start()
	}
	child, err := start(&syscall.SysProcAttr{Cloneflags: flags})
	if errors.Is(err, syscall.EPERM) {
		child, err = start(&syscall.SysProcAttr{
			Cloneflags:  flags | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		})
	}
	if err != nil {
		return 1, fmt.Errorf("this machine lets neither root nor a user make a network namespace "+
			"(in a container, give it CAP_SYS_ADMIN; else allow unprivileged user namespaces): %w", err)
	}
	return wait(child)
}

// inside prepares the namespace, runs the program and answers for it.
func inside(args []string) (int, error) {
	if err := loopback(); err != nil {
		return 1, fmt.Errorf("loopback does not come up: %w", err)
	}
	child := command(args[0], args[1:])
	if err := child.Start(); err != nil {
		return 127, err
	}
	return wait(child)
}

func command(program string, args []string) *exec.Cmd {
	child := exec.Command(program, args...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	return child
}

// wait passes signals on until the child ends, and tells its status as a shell
// does. A terminal's interrupt reaches the child without help.
func wait(child *exec.Cmd) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM || s == syscall.SIGHUP {
				_ = child.Process.Signal(s)
			}
		}
	}()
	err := child.Wait()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return child.ProcessState.ExitCode(), err
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), fmt.Errorf("%s: %s", child.Path, status.Signal())
	}
	return ended.ExitCode(), nil
}

// loopback does what `ip link set lo up; ip address add 10.99.0.1/32 dev lo`
// does.
func loopback() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)

	up := request("lo")
	*(*uint16)(unsafe.Pointer(&up.value)) = syscall.IFF_UP | syscall.IFF_RUNNING
	if err := ioctl(socket, syscall.SIOCSIFFLAGS, &up); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	alias := request("lo:0")
	for _, step := range []struct {
		number  uintptr
		address [4]byte
	}{
		{syscall.SIOCSIFADDR, podAddress},
		{syscall.SIOCSIFNETMASK, [4]byte{255, 255, 255, 255}},
	} {
		*(*syscall.RawSockaddrInet4)(unsafe.Pointer(&alias.value)) = syscall.RawSockaddrInet4{
			Family: syscall.AF_INET, Addr: step.address,
		}
		if err := ioctl(socket, step.number, &alias); err != nil {
			return fmt.Errorf("address %v: %w", step.address, err)
		}
	}
	return nil
}

// ifreq of <net/if.h>: a name, then a union of 24 bytes.
type ifreq struct {
	name  [syscall.IFNAMSIZ]byte
	value [24]byte
}

func request(name string) (r ifreq) {
	copy(r.name[:], name)
	return r
}

func ioctl(socket int, number uintptr, r *ifreq) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), number, uintptr(unsafe.Pointer(r)))
	if errno != 0 {
		return errno
	}
	return nil
}
