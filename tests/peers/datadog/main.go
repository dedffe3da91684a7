// Datadog's own code as an oracle: the same OTLP through it and through Spanwise must give the same.
//
// `datadog KIND < requests > answers`; each KIND stands in a file of its own, which says what it reads and writes.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// kinds are filled in by each file's init.
var kinds = map[string]func(in io.Reader, out io.Writer) error{}

func main() {
	if len(os.Args) != 2 || kinds[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: datadog KIND, one of:")
		for kind := range kinds {
			fmt.Fprintln(os.Stderr, "  "+kind)
		}
		os.Exit(2)
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	err := kinds[os.Args[1]](bufio.NewReaderSize(os.Stdin, 1<<20), out)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "datadog:", err)
		os.Exit(1)
	}
}
