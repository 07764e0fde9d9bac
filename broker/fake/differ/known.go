package differ

import (
	"embed"
	"strings"
)

//go:embed testdata/open
var open embed.FS

// Known are the kinds of differences between the fake and a release of Kafka that are known and not mended; none if nobody has made a list for the release.
func Known(release string) map[string]bool {
	text, err := open.ReadFile("testdata/open/" + release + ".txt")
	if err != nil {
		return nil
	}
	return ParseKnown(string(text))
}

// ParseKnown reads a list of kinds: a line each, but for those that begin with #.
func ParseKnown(text string) map[string]bool {
	kinds := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			kinds[line] = true
		}
	}
	return kinds
}
