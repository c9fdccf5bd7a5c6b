// A disk that takes so many bytes a second and no more: a file system in user space with one file, to be used as a loop
// device. The page cache, the file system upon it and the kernel's way of holding writers back are those of a real slow
// disk, which is what the case is about.
//
// It says "ready" once it is mounted, and ends when it is unmounted.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A disk that was idle for less is not idle: whoever writes one piece after the other gets the whole rate, although there is
// a moment between the pieces.
const slack = 10 * time.Millisecond

// disk is the file: what is written to it lies in another one.
type disk struct {
	fs.Inode
	backing *os.File
	bytes   uint64
	rate    float64

	mutex sync.Mutex
	// When the disk has done what it was given.
	free time.Time
}

var (
	_ fs.NodeGetattrer = (*disk)(nil)
	_ fs.NodeSetattrer = (*disk)(nil)
	_ fs.NodeOpener    = (*disk)(nil)
	_ fs.NodeReader    = (*disk)(nil)
	_ fs.NodeWriter    = (*disk)(nil)
	_ fs.NodeFsyncer   = (*disk)(nil)
)

func (d *disk) fill(attr *fuse.Attr) {
	attr.Mode, attr.Size, attr.Blocks = syscall.S_IFREG|0o600, d.bytes, d.bytes/512
}

func (d *disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.fill(&out.Attr)
	return 0
}

func (d *disk) Setattr(_ context.Context, _ fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	d.fill(&out.Attr)
	return 0
}

func (d *disk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	// The page cache above the file system is the one that counts; a second one here would take writes at once.
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *disk) Read(_ context.Context, _ fs.FileHandle, into []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	count, err := d.backing.ReadAt(into, at)
	if count == 0 && err != nil {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(into[:count]), 0
}

func (d *disk) Write(_ context.Context, _ fs.FileHandle, bytes []byte, at int64) (uint32, syscall.Errno) {
	d.wait(len(bytes))
	if _, err := d.backing.WriteAt(bytes, at); err != nil {
		return 0, syscall.EIO
	}
	return uint32(len(bytes)), 0
}

func (d *disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }

// wait comes back when the disk has written so much after all that it was given before.
func (d *disk) wait(bytes int) {
	d.mutex.Lock()
	if earliest := time.Now().Add(-slack); d.free.Before(earliest) {
		d.free = earliest
	}
	d.free = d.free.Add(time.Duration(float64(bytes) / d.rate * float64(time.Second)))
	free := d.free
	d.mutex.Unlock()
	time.Sleep(time.Until(free))
}

// root holds the disk.
type root struct {
	fs.Inode
	disk *disk
}

var _ fs.NodeOnAdder = (*root)(nil)

func (r *root) OnAdd(ctx context.Context) {
	r.AddChild("disk", r.NewPersistentInode(ctx, r.disk, fs.StableAttr{Mode: syscall.S_IFREG}), false)
}

func main() {
	mount := flag.String("mount", "", "an empty directory, in which the file `disk` appears")
	backing := flag.String("backing", "", "the file that holds what is written")
	megabytes := flag.Uint64("megabytes", 0, "the size of the disk")
	rate := flag.Float64("rate", 0, "megabytes a second")
	flag.Parse()
	file, err := os.OpenFile(*backing, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	bytes := *megabytes << 20
	if err := file.Truncate(int64(bytes)); err != nil {
		log.Fatal(err)
	}
	options := &fs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, MaxWrite: 128 << 10, FsName: "slowdisk", Name: "slowdisk",
	}}
	server, err := fs.Mount(*mount, &root{disk: &disk{backing: file, bytes: bytes, rate: *rate * 1e6}}, options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	server.Wait()
}
