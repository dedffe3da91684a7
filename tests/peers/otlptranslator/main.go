// Names as the module prometheus/otlptranslator writes them: reads one JSON object a line,
// {"strategy", "namespace", "name", "unit", "type"} or {"strategy", "label"}, and answers each with one line,
// {"name"}, empty where there is none, and {"unit"} as the unit stands in metadata.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"github.com/prometheus/otlptranslator"
)

type question struct {
	Strategy  otlptranslator.TranslationStrategyOption `json:"strategy"`
	Namespace string                                   `json:"namespace"`
	Name      string                                   `json:"name"`
	Unit      string                                   `json:"unit"`
	Type      string                                   `json:"type"`
	Label     *string                                  `json:"label"`
}

type answer struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
}

var types = map[string]otlptranslator.MetricType{
	"counter":   otlptranslator.MetricTypeMonotonicCounter,
	"updown":    otlptranslator.MetricTypeNonMonotonicCounter,
	"gauge":     otlptranslator.MetricTypeGauge,
	"histogram": otlptranslator.MetricTypeHistogram,
	"summary":   otlptranslator.MetricTypeSummary,
}

func (q question) answer() answer {
	utf8 := !q.Strategy.ShouldEscape()
	if q.Label != nil {
		namer := otlptranslator.LabelNamer{UTF8Allowed: utf8}
		name, _ := namer.Build(*q.Label)
		return answer{Name: name}
	}
	kind, known := types[q.Type]
	if !known {
		log.Fatalf("unknown type %q", q.Type)
	}
	namer := otlptranslator.NewMetricNamer(q.Namespace, q.Strategy)
	name, err := namer.Build(otlptranslator.Metric{Name: q.Name, Unit: q.Unit, Type: kind})
	if err != nil {
		name = ""
	}
	unit := otlptranslator.UnitNamer{UTF8Allowed: utf8}
	return answer{Name: name, Unit: unit.Build(q.Unit)}
}

func main() {
	in, out := bufio.NewScanner(os.Stdin), bufio.NewWriter(os.Stdout)
	in.Buffer(nil, 1<<20)
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(q.answer()); err != nil {
			log.Fatal(err)
		}
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
