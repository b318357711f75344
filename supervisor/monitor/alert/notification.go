package alert

import (
	"time"

	"github.com/fcgisup/fcgisup/supervisor/monitor"
)

// Event is what a message is about: the literal in JSON and in FCGISUP_EVENT.
type Event string

// The events.
const (
	// Down is the first message about an incident.
	Down Event = "down"
	// StillDown repeats it.
	StillDown Event = "still_down"
	// Up is the last message about an incident.
	Up Event = "up"
	// Test is sent by "fcgisup alert test".
	Test Event = "test"
)

// Notification is one message, as a program gets it in JSON.
type Notification struct {
	// ID is the same in every attempt to deliver the message, and no other message's.
	ID    string    `json:"id"`
	Event Event     `json:"event"`
	Host  string    `json:"host"`
	At    time.Time `json:"at"`
	// Title is the message in a line, Text the whole of it.
	Title string    `json:"title"`
	Text  string    `json:"text"`
	Apps  []AppNews `json:"apps"`
}

// AppNews is what a message says of one app.
type AppNews struct {
	App         string `json:"app"`
	Description string `json:"description,omitempty"`
	// Instances is how many the app has, Down how many of them are known to be
	// down after this message, Changed how many the message is about.
	Instances int `json:"instances"`
	Down      int `json:"down"`
	Changed   int `json:"changed"`
	// Whole means that no instance is left that could serve.
	Whole bool `json:"whole"`
	// News are the changed ones, the first [MaxNews] of them.
	News []InstanceNews `json:"news"`
}

// MaxNews bounds the instances of one app that a message describes; of more
// than maxApps apps, it only counts them.
const MaxNews = 20

const maxApps = 50

// InstanceNews is what a message says of one instance.
type InstanceNews struct {
	Instance int            `json:"instance"`
	Health   monitor.Health `json:"health"`
	// DownSince is when it went down, DownSeconds for how long it is or was.
	DownSince   time.Time `json:"down_since"`
	DownSeconds float64   `json:"down_seconds"`
	// UpSince is when it came up, absent if it did not.
	UpSince *time.Time `json:"up_since,omitempty"`
	// Error is what went wrong last, in one line.
	Error string `json:"error,omitempty"`
}

func (i InstanceNews) down() time.Duration {
	return time.Duration(i.DownSeconds * float64(time.Second))
}

func (a *AppNews) add(in instanceSnapshot, t *incident, event Event, now time.Time) {
	a.Changed++
	if len(a.News) == MaxNews {
		return
	}
	until := now
	n := InstanceNews{Instance: in.number, Health: in.health, DownSince: t.Since, Error: t.Error}
	if event == Up {
		until = t.RecoveredAt
		n.UpSince = &until
	}
	n.DownSeconds = max(0, until.Sub(t.Since)).Seconds()
	a.News = append(a.News, n)
}

// TestMessage is what "fcgisup alert test" sends.
func TestMessage(host string, now time.Time) Notification {
	return Notification{
		ID: newID(host, now, 0), Event: Test, Host: host, At: now, Apps: []AppNews{},
		Title: eventWords[Test] + ": alerts of fcgisup on " + host,
		Text:  "This is a test. Its receiver will get an alert when something goes down on " + host + ".\n",
	}
}
