package api

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a file in a folder.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KACTOR_TEST_HOSTS", "a:1,b:2")
	secrets := write(t, dir, "secrets.properties", "rack = r1\\u00e9\nweird=${env:HOME}")
	write(t, dir, "name", "from a folder")
	path := write(t, dir, "client.properties", strings.Join([]string{
		"# as Kafka's tools take it", "! too",
		"bootstrap.servers = ${env:KACTOR_TEST_HOSTS}", `client.id=${dir:` + dir + `:name}`, "client.rack:${file:" + secrets + ":rack}",
		`linger.ms \`, "   12", "group.id: ${file:" + secrets + ":weird}", "config.providers=env,secrets", "config.providers.secrets.class=org.apache.kafka.common.config.provider.FileConfigProvider",
		"group.instance.id=${secrets:" + secrets + ":rack}-1", "key.serializer=org.apache.kafka.common.serialization.StringSerializer", "",
	}, "\n"))
	s := defaults()
	if err := apply(s, []Option{File(path)}); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v|%s|%s|%s|%s|%s", s.broker.Bootstrap, s.broker.ClientID, s.fetcher.Rack, s.sender.Linger, s.group.Group, s.group.Instance)
	if want := "[a:1 b:2]|from a folder|r1é|12ms|${env:HOME}|r1é-1"; got != want { // what a provider gives is not looked at again
		t.Errorf("got  %s\nwant %s", got, want)
	}
	latin := write(t, dir, "latin.properties", "client.rack=caf\xe9\n")
	if s := defaults(); apply(s, []Option{File(latin)}) != nil || s.fetcher.Rack != "café" {
		t.Errorf("ISO-8859-1: %q", s.fetcher.Rack)
	}
}

func TestFilesThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct{ text, says string }{
		{"linger.ms=soon", `linger.ms: "soon" is no value of type ms`},
		{"lingerms=5", `unknown property "lingerms"; did you mean "linger.ms"?`},
		{"client.id=${env:KACTOR_TEST_NOT_THERE}", "client.id: ${env:KACTOR_TEST_NOT_THERE}: there is no such variable"},
		{"client.id=${vault:a:b}", `there is no configuration provider "vault"`},
		{"client.id=${file:" + dir + "/none:a}", "no such file"},
		{"client.id=${file:" + dir + "/0:a}", "does not have it"},
		{"client.id=${dir:" + dir + ":../x}", "the name of a file in the folder is needed"},
		{`client.id=\u12`, "invalid unicode literal"},
		{"config.providers=vault\nconfig.providers.vault.class=com.example.Vault\nclient.id=${vault:a:b}", `there is no configuration provider "vault"`},
	} {
		path := write(t, dir, fmt.Sprint(i), c.text)
		_, err := Dial(context.Background(), Lazy(), Brokers("a"), File(path))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, expected %q", c.text, err, c.says)
		}
	}
	if _, err := Dial(context.Background(), File(filepath.Join(dir, "not.there"))); err == nil || !strings.Contains(err.Error(), "not.there") {
		t.Errorf("a file that is not there: %v", err)
	}
	good := write(t, dir, "good", "bootstrap.servers=a\nlinger.ms=7")
	client, err := Dial(context.Background(), Lazy(), File(good))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(context.Background())
	if p, err := with(client, ofProducer, []Option{File(good)}); err != nil || p.sender.Linger != 7*time.Millisecond { // what the client has already is no change of it
		t.Errorf("a file for a client given to a producer: %v", err)
	}
}

// A file is read as Java's own Properties read it, which have made the JSON; but for a line that goes on within a name, which the library leaves in it.
func TestFilesAreReadAsJavaReadsThem(t *testing.T) {
	text, err := os.ReadFile("testdata/files/java.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(text, &want); err != nil || len(want) < 20 {
		t.Fatal(want, err)
	}
	got, err := load("testdata/files/tricky.properties")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%q: %q (%v), Java has %q", name, v, ok, value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q: %q, Java has none", name, got[name])
		}
	}
}
