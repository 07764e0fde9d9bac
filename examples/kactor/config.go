package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/kactor-go/kactor/api"
)

// config prints what properties come to: of a client, and of the producers and consumers that are made of it. It connects to nothing.
func config(args []string, out io.Writer) error {
	f := flag.NewFlagSet("kactor config", flag.ContinueOnError)
	file, profile, all := f.String("F", "", "properties `FILE`"), f.String("profile", "", "defaults of another client: `NAME`, as librdkafka"), f.Bool("a", false, "print all options, not only those that are not as by default")
	own := properties{}
	f.Var(own, "X", "`name=value`: a property, more than once")
	if err := readFlags(f, args); err != nil {
		return err
	}
	options := []api.ClientOption{api.Brokers("localhost:9092")} // of what is connected to nowhere
	if *profile != "" {
		options = append(options, api.Profile(*profile))
	}
	if *file != "" {
		options = append(options, api.File(*file))
	}
	options = append(options, api.Properties(own))
	findings, err := api.Lint(options...)
	if err != nil {
		return err
	}
	client, err := api.Dial(context.Background(), append(options, api.Lazy())...)
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	consumer, err := client.Consumer("")
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, role := range []struct {
		name string
		list []api.Setting
	}{{"client", client.Effective()}, {"producer", producer.Effective()}, {"consumer", consumer.Effective()}} {
		for _, s := range role.list {
			if *all || s.Source != "default" {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", role.name, s.Name, s.Value, s.Source)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, finding := range findings {
		fmt.Fprintln(out, finding)
	}
	return nil
}
