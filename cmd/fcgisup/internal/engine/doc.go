// Package engine renders an app for engines that run containers: Kubernetes, compose, and Podman's Quadlet under systemd.
//
// The pod is the instance: each gets a configuration of its own, made of the app's, with one instance, whose socket nginx in
// another container of the pod shares. What an engine has no counterpart for is a [Note] and a comment. Rendering is pure.
//
// It imports nginx, units and the root package.
package engine
