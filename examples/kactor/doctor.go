package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kactor-go/kactor/api"
)

// doctor goes the way to every broker step by step, and prints what came of it.
func doctor(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("kactor doctor", flag.ContinueOnError)
	var c common
	c.registerBrokers(f)
	if err := c.parseBrokers(f, args); err != nil {
		return err
	}
	d, err := api.Diagnose(ctx, api.Properties(c.properties))
	if err != nil {
		return err
	}
	fmt.Fprint(out, d)
	if d.Err() != nil {
		return errors.New("a client cannot work with this cluster: see FAIL above")
	}
	return nil
}
