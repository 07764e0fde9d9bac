package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// registry emits the look-ups of messages by key and by name.
func registry(s *schemas) string {
	var b strings.Builder
	b.WriteString("package msg\n" + imports)
	b.WriteString("\n// NewRequest makes the request of an API; nil for an unknown key.\nfunc NewRequest(key int16) wire.Request {\nswitch key {\n")
	for _, a := range s.apis {
		fmt.Fprintf(&b, "case %d:\nreturn &%s{}\n", a.Key, a.Request.Name)
	}
	b.WriteString("}\nreturn nil\n}\n\n// APIName is the name of an API; \"\" for an unknown key.\nfunc APIName(key int16) string {\nswitch key {\n")
	for _, a := range s.apis {
		fmt.Fprintf(&b, "case %d:\nreturn %q\n", a.Key, a.Name)
	}
	b.WriteString("}\nreturn \"\"\n}\n\n// Stable is the highest version of an API that is final; -1 for an unknown key.\nfunc Stable(key int16) int16 {\nswitch key {\n")
	for _, a := range s.apis {
		top := a.Request.valid.to
		if a.Unstable {
			top--
		}
		fmt.Fprintf(&b, "case %d:\nreturn %d\n", a.Key, top)
	}
	b.WriteString("}\nreturn -1\n}\n\n// Keys are the API keys, in order.\nvar Keys = []int16{")
	for _, a := range s.apis {
		fmt.Fprintf(&b, "%d, ", a.Key)
	}
	b.WriteString("}\n\n// The API keys by name.\nconst (\n")
	for _, a := range s.apis {
		fmt.Fprintf(&b, "%sAPI int16 = %d\n", a.Name, a.Key)
	}
	b.WriteString(")\n\n// NewData makes a header, a consumer protocol message, a control record or a coordinator's record by name; nil for an unknown one.\nfunc NewData(name string) wire.Message {\nswitch name {\n")
	for _, g := range s.groups {
		for _, m := range g.messages {
			fmt.Fprintf(&b, "case %q:\nreturn &%s{}\n", m.Name, m.Name)
		}
	}
	b.WriteString("}\nreturn nil\n}\n\n// DataNames are the names NewData knows.\nvar DataNames = []string{\n")
	for _, g := range s.groups {
		for _, m := range g.messages {
			fmt.Fprintf(&b, "%q,\n", m.Name)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// errorCodes emits the table of error codes.
func errorCodes(s *schemas) string {
	var b strings.Builder
	b.WriteString("package protocol\n\n// Kafka's error codes.\nconst (\n")
	for _, e := range s.errors {
		fmt.Fprintf(&b, "%s Code = %d // %s\n", codeName(e.Name), e.Code, e.Description)
	}
	b.WriteString(")\n\nvar codes = [...]codeFacts{\n")
	for _, e := range s.errors {
		var class []string
		for _, c := range []struct {
			is   bool
			name string
		}{{e.Retriable, "ClassRetriable"}, {e.RefreshMetadata, "ClassRefreshMetadata"}, {e.InvalidMetadata, "ClassInvalidMetadata"},
			{e.ApplicationRecoverable, "ClassApplicationRecoverable"}, {e.TransactionAbortable, "ClassTransactionAbortable"},
			{e.InvalidConfiguration, "ClassInvalidConfiguration"}, {e.Authentication, "ClassAuthentication"}, {e.Authorization, "ClassAuthorization"}} {
			if c.is {
				class = append(class, c.name)
			}
		}
		if class == nil {
			class = []string{"0"}
		}
		fmt.Fprintf(&b, "{%d, %q, %s, %q, %q},\n", e.Code, e.Name, strings.Join(class, " | "), e.Since, e.Description)
	}
	b.WriteString("}\n")
	return b.String()
}

// codeName is NOT_LEADER_OR_FOLLOWER as NotLeaderOrFollower.
func codeName(s string) string {
	var b strings.Builder
	for _, w := range strings.Split(s, "_") {
		if w == "ID" || w == "SASL" || w == "ACL" {
			b.WriteString(w)
			continue
		}
		b.WriteString(w[:1] + strings.ToLower(w[1:]))
	}
	return b.String()
}

// releaseTable emits the API versions of each release's brokers.
func releaseTable(s *schemas) string {
	var names []string
	for n := range s.releases.Releases {
		names = append(names, n)
	}
	slices.SortFunc(names, compareReleases)
	var b strings.Builder
	b.WriteString("package protocol\n\nvar releases = [...]releaseFacts{\n")
	for _, n := range names {
		fmt.Fprintf(&b, "{%q, []releaseRange{", n)
		r := s.releases.Releases[n]
		var apis []string
		for a := range r.APIs {
			apis = append(apis, a)
		}
		slices.SortFunc(apis, func(x, y string) int { return int(r.APIs[x].Key) - int(r.APIs[y].Key) })
		for _, name := range apis {
			a := r.APIs[name]
			if a.Unstable || len(a.Listeners) > 0 && !slices.Contains(a.Listeners, "broker") && !slices.Contains(a.Listeners, "zk_broker") {
				continue
			}
			top := a.Max
			if a.StableMax != nil {
				top = *a.StableMax
			}
			fmt.Fprintf(&b, "{%d, %d, %d}, ", a.Key, a.Min, top)
		}
		b.WriteString("}},\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func compareReleases(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m - n
		}
	}
	return 0
}
