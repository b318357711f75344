package main

import (
	"debug/buildinfo"
	"io"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM lists the modules that are linked into the binary, which itself says which they are, as CycloneDX JSON.
func writeSBOM(w io.Writer, version, binary string, at time.Time) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	program := cdx.Component{
		BOMRef: "pkg:golang/" + info.Main.Path + "@" + version, Type: cdx.ComponentTypeApplication,
		Name: "fcgisup", Version: version, PackageURL: "pkg:golang/" + info.Main.Path + "@" + version,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}},
	}
	libraries := []cdx.Component{library("std", info.GoVersion)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		libraries = append(libraries, library(m.Path, m.Version))
	}
	refs := make([]string, 0, len(libraries))
	for _, l := range libraries {
		refs = append(refs, l.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: at.Format(time.RFC3339), Component: &program}
	bom.Components = &libraries
	bom.Dependencies = &[]cdx.Dependency{{Ref: program.BOMRef, Dependencies: &refs}}
	return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_5)
}

func library(path, version string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + version
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl}
}
