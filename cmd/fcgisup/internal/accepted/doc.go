// Package accepted keeps copies of configurations as they were last accepted, for
// starts at which the file is invalid: requests would wait in the socket until it is
// corrected. It owns the files below /var/lib/fcgisup/accepted and in the state
// directories of services, and imports term and the root package.
package accepted
