package api

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/magiconair/properties"

	"github.com/kactor-go/kactor/protocol/printable"
)

// File sets the options of a properties file in Java's format, as Kafka's own tools take it: lines of name=value, # and ! before comments, \ before a line that goes on and before characters that mean something. It is read when
// the option is used, as UTF-8, or as ISO-8859-1 where it is not that.
//
// Values may stand elsewhere, as with Kafka's configuration providers (KIP-297), which need not be named: ${env:NAME} is a variable of the environment, ${file:PATH:KEY} a value of another properties file, ${dir:PATH:NAME} what a file
// in a folder contains. A config.providers.NAME.class gives a provider of Kafka's another name. What is not there is an error.
func File(path string) Option {
	return anyOption(func(s *settings) error {
		props, err := load(path)
		if err != nil {
			return err
		}
		providers := map[string]provider{"env": fromEnv, "file": fromFile, "dir": fromDir, "directory": fromDir}
		for name, class := range props {
			if alias, ok := strings.CutPrefix(name, "config.providers."); ok && strings.HasSuffix(alias, ".class") {
				if p := classes[class[strings.LastIndexByte(class, '.')+1:]]; p != nil {
					providers[strings.TrimSuffix(alias, ".class")] = p
				}
			}
		}
		maps.DeleteFunc(props, func(name, _ string) bool {
			return name == "config.providers" || strings.HasPrefix(name, "config.providers.")
		})
		var errs []error
		for name, value := range props {
			if props[name], err = resolve(value, providers); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", path, name, err))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		known := len(s.unknown)
		err = s.from(fileSource+path, func() error { return Properties(props).set(s) })
		for i := known; i < len(s.unknown); i++ {
			s.unknown[i] = fmt.Errorf("%s: %w", path, s.unknown[i])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
}

// load reads a properties file.
func load(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	if !utf8.Valid(text) {
		loader.Encoding = properties.ISO_8859_1
	}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p.Map(), nil
}

// provider finds a value that stands elsewhere.
type provider func(path, key string) (string, error)

// classes are Kafka's own providers.
var classes = map[string]provider{"EnvVarConfigProvider": fromEnv, "FileConfigProvider": fromFile, "DirectoryConfigProvider": fromDir}

func fromEnv(_, key string) (string, error) {
	v, ok := os.LookupEnv(key)
	if !ok {
		return "", errors.New("there is no such variable")
	}
	return v, nil
}

func fromFile(path, key string) (string, error) {
	props, err := load(path)
	if err != nil {
		return "", err
	}
	v, ok := props[key]
	if !ok {
		return "", fmt.Errorf("%s does not have it", path)
	}
	return v, nil
}

func fromDir(path, key string) (string, error) {
	if key != filepath.Base(key) {
		return "", errors.New("the name of a file in the folder is needed")
	}
	text, err := os.ReadFile(filepath.Join(path, key))
	return string(text), err
}

// placeholder is ${provider:key} or ${provider:path:key}.
var placeholder = regexp.MustCompile(`\$\{([^{}:]*):(?:([^{}]*):)?([^{}:]*)\}`)

// resolve replaces placeholders. What a provider gives is taken as it is, whatever it looks like.
func resolve(value string, providers map[string]provider) (string, error) {
	var first error
	out := placeholder.ReplaceAllStringFunc(value, func(text string) string {
		m := placeholder.FindStringSubmatch(text)
		p := providers[m[1]]
		err := fmt.Errorf("there is no configuration provider %q", printable.Text(m[1]))
		var v string
		if p != nil {
			v, err = p(m[2], m[3])
		}
		if err != nil && first == nil {
			first = fmt.Errorf("%s: %w", printable.Text(text), err)
		}
		return v
	})
	return out, first
}
