package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
)

// asking makes a registry with the secrets and a client.
func asking(t testing.TB, secrets string, client func(context.Context, string) (string, error)) *secret.Registry {
	t.Helper()
	r := secret.New(secret.Options{Client: client})
	update(t, r, secrets)
	return r
}

// server answers lookups: the path is looked up in answers, "" is a 404.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]string
	asked   []string
}

func serve(t testing.TB, answers map[string]string) *server {
	s := &server{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r.Method+" "+r.URL.String()+" "+r.Header.Get("X-Api-Key"))
		switch answer := s.answers[r.URL.Path]; {
		case answer == "":
			http.Error(w, "b0dy of the error", http.StatusNotFound)
		case strings.HasPrefix(answer, "http"):
			http.Redirect(w, r, answer, http.StatusFound)
		default:
			_, _ = w.Write([]byte(answer)) // the client may be gone
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) set(path, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = answer
}

// requests are those since the last time.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func TestLookup(t *testing.T) {
	s := serve(t, map[string]string{"/a": "v4lue\n", "/moved": "http://127.0.0.1:1/", "/long": strings.Repeat("x", 70000), "/blank": " "})
	r := secret.New(secret.Options{Server: s.URL + "/base/"})
	update(t, r, `{"A":{"kind":"LookupSecret","url":"`+s.URL+`/a?q=hunter2","headers":{"X-Api-Key":"k3y-of-the-server"}},"REL":{"kind":"LookupSecret","url":"/a"},"RELATIVE":{"kind":"LookupSecret","url":"a"}}`)
	if got := value(t, r, "A"); got != "v4lue\n" {
		t.Errorf("got %q", got)
	}
	if diff := cmp.Diff([]string{"GET /a?q=hunter2 k3y-of-the-server"}, s.requests()); diff != "" {
		t.Error(diff)
	}
	if got := r.Mask("it is v4lue, k3y-of-the-server"); got != "it is <secret-hidden>, <secret-hidden>" {
		t.Error(got)
	}
	value(t, r, "REL")
	value(t, r, "RELATIVE")
	if diff := cmp.Diff([]string{"GET /a ", "GET /base/a "}, s.requests()); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		"/none": "answers with status 404", "/moved": "answers with status 302", "/long": "longer than 65536 bytes", "/blank": "its value is empty",
	} {
		r := registry(t, `{"A":{"kind":"LookupSecret","url":"`+s.URL+path+`?q=hunter2","headers":{"X-Api-Key":"hunter2hunter2"}}}`)
		vars, missing := r.Variables(t.Context(), "use $A")
		if len(vars) > 0 || len(missing) != 1 || !strings.Contains(missing[0], want) || strings.Contains(missing[0], "hunter2") || strings.Contains(missing[0], "b0dy") {
			t.Errorf("%s: %v, %q", path, vars, missing)
		}
	}
	down := httptest.NewServer(nil)
	down.Close()
	r = registry(t, `{"A":{"kind":"LookupSecret","url":"`+strings.Replace(down.URL, "http://", "http://hunter2:hunter2@", 1)+`/a?q=hunter2"}}`)
	if _, missing := r.Variables(t.Context(), "use $A"); len(missing) != 1 || !strings.Contains(missing[0], "does not answer") || strings.Contains(missing[0], "hunter2") {
		t.Errorf("%q", missing)
	}
}

// TestLookupRotates fetches a value each time that a command names it, and goes
// on hiding the old one.
func TestLookupRotates(t *testing.T) {
	s := serve(t, map[string]string{"/a": "first-value", "/b": "other-value"})
	r := registry(t, `{"A":{"kind":"LookupSecret","url":"`+s.URL+`/a"},"B":{"kind":"LookupSecret","url":"`+s.URL+`/b"}}`)
	if vars, _ := r.Variables(t.Context(), "use $A"); vars["A"] != "first-value" || len(vars) != 1 {
		t.Errorf("%v", vars)
	}
	// The other was fetched too, so that it is hidden: once.
	if got := len(s.requests()); got != 2 {
		t.Errorf("%d requests", got)
	}
	if got := r.Mask("first-value other-value"); strings.Contains(got, "value") {
		t.Error(got)
	}
	s.set("/a", "second-value")
	if vars, _ := r.Variables(t.Context(), "use $A"); vars["A"] != "second-value" {
		t.Errorf("%v", vars)
	}
	if diff := cmp.Diff([]string{"GET /a "}, s.requests()); diff != "" {
		t.Error(diff)
	}
	if got := r.Mask("first-value second-value"); strings.Contains(got, "value") {
		t.Error(got)
	}
	// One that fails sets nothing, hides what it was, and does not stop others.
	s.set("/a", "")
	vars, missing := r.Variables(t.Context(), "use $A and $B")
	if len(vars) != 1 || vars["B"] != "other-value" || len(missing) != 1 {
		t.Errorf("%v, %q", vars, missing)
	}
	if got := r.Mask("second-value"); strings.Contains(got, "value") {
		t.Error(got)
	}
}

// TestLookupAhead does not ask again for what could not be fetched.
func TestLookupAhead(t *testing.T) {
	s := serve(t, map[string]string{})
	r := registry(t, `{"A":{"kind":"LookupSecret","url":"`+s.URL+`/a"}}`)
	for range 3 {
		if vars, missing := r.Variables(t.Context(), "ls"); vars != nil || missing != nil {
			t.Errorf("%v, %q", vars, missing)
		}
	}
	if got := len(s.requests()); got != 1 {
		t.Errorf("%d requests", got)
	}
}

func TestLookupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	r := registry(t, `{"A":{"kind":"LookupSecret","url":"`+s.URL+`/a"}}`)
	if _, err := r.Value(ctx, "A"); err == nil {
		t.Error("it has a value")
	}
	// That is no failure of the server's: it is asked again.
	ok := serve(t, map[string]string{"/a": "v4lue"})
	s.Config.Handler = ok.Config.Handler
	if got := value(t, r, "A"); got != "v4lue" {
		t.Errorf("got %q", got)
	}
}

func TestClientSecret(t *testing.T) {
	var asked []string
	r := asking(t, `{"A":{"kind":"ClientSecret","description":"d"},"B":"s3cret","AB":{"kind":"ClientSecret"}}`, func(_ context.Context, name string) (string, error) {
		asked = append(asked, name)
		return "fr0m the client", nil
	})
	// Neither masking nor a command that does not name it asks.
	r.Mask("fr0m the client")
	r.MaskJSON([]byte(`"fr0m the client"`))
	r.Stream().Write("fr0m the client")
	if vars, missing := r.Variables(t.Context(), "echo $B"); len(vars) != 1 || missing != nil || asked != nil {
		t.Errorf("%v, %q, asked for %q", vars, missing, asked)
	}
	for range 2 {
		if vars, _ := r.Variables(t.Context(), "USE $a"); vars["A"] != "fr0m the client" || len(vars) != 1 {
			t.Errorf("%v", vars)
		}
	}
	if diff := cmp.Diff([]string{"A"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if got := r.Mask("is fr0m the client."); got != "is <secret-hidden>." {
		t.Error(got)
	}
	if got := stored(t, r); strings.Contains(got, "client") || strings.Contains(got, secret.KindClient) {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{"A", "AB"}, r.Clients()); diff != "" {
		t.Error(diff)
	}
	want := []secret.Info{{"A", "d", secret.KindClient, true}, {"AB", "", secret.KindClient, false}, {"B", "", secret.KindStatic, true}}
	if diff := cmp.Diff(want, r.Infos()); diff != "" {
		t.Error(diff)
	}
	// Declared again it is asked for again.
	update(t, r, `{"A":{"kind":"ClientSecret"}}`)
	value(t, r, "A")
	if len(asked) != 2 {
		t.Errorf("asked for %q", asked)
	}
}

func TestClientSecretAfterLoad(t *testing.T) {
	r := asking(t, `{"A":{"kind":"ClientSecret"},"S":""}`, nil)
	again := secret.New(secret.Options{Client: func(context.Context, string) (string, error) { return "v4lue", nil }})
	if err := again.Load([]byte(stored(t, r)), r.Clients()); err != nil {
		t.Fatal(err)
	}
	if vars, missing := again.Variables(t.Context(), "A S"); vars["A"] != "v4lue" || len(missing) != 1 {
		t.Errorf("%v, %q", vars, missing)
	}
	// Another program gave it a value meanwhile.
	again = new(secret.Registry)
	if err := again.Load([]byte(`{"secret_sources":{"A":{"kind":"StaticSecret","value":"v4lue"}}}`), []string{"A"}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, again, "A"); got != "v4lue" || len(again.Clients()) > 0 {
		t.Errorf("got %q", got)
	}
}

// TestFailuresAreRemembered for a minute, unless the secret is set anew.
func TestFailuresAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		answer := ""
		r := asking(t, `{"A":{"kind":"ClientSecret"}}`, func(context.Context, string) (string, error) {
			asked++
			if answer == "" {
				return "", errors.New("the client declined")
			}
			return answer, nil
		})
		check := func(value string, times int) {
			t.Helper()
			vars, missing := r.Variables(t.Context(), "use $A")
			if vars["A"] != value || (value == "") != (len(missing) == 1) || asked != times {
				t.Fatalf("%v, %q, asked %d times", vars, missing, asked)
			}
			if value == "" && missing[0] != "A: the client declined" {
				t.Errorf("%q", missing)
			}
		}
		check("", 1)
		time.Sleep(59 * time.Second) // of the bubble's own clock
		check("", 1)
		time.Sleep(2 * time.Second)
		check("", 2)
		update(t, r, `{"A":{"kind":"ClientSecret"}}`)
		answer = "v4lue"
		check("v4lue", 3)
	})
}

func TestClientThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := asking(t, `{"A":{"kind":"ClientSecret"}}`, func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		begin := time.Now()
		_, missing := r.Variables(t.Context(), "use $A")
		if diff := cmp.Diff([]string{"A: the client did not answer in time"}, missing); diff != "" || time.Since(begin) != 2*time.Minute {
			t.Errorf("after %v: %s", time.Since(begin), diff)
		}
		// Whoever waits can give up, and that is no failure.
		update(t, r, `{"A":{"kind":"ClientSecret"}}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 {
			if _, err := r.Value(ctx, "A"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}
	})
}

// TestOneQuestion: several commands at once ask once, and one that gives up does
// not leave the others without.
func TestOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		r := asking(t, `{"A":{"kind":"ClientSecret"}}`, func(ctx context.Context, _ string) (string, error) {
			asked.Add(1)
			select {
			case <-time.After(time.Second):
				return "v4lue", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		impatient, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := r.Value(impatient, "A"); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got := value(t, r, "A"); got != "v4lue" {
					t.Errorf("got %q", got)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if got := asked.Load(); got != 2 {
			t.Errorf("asked %d times", got)
		}
	})
}

// TestReplacedMeanwhile hides a value that comes for a source which is gone.
func TestReplacedMeanwhile(t *testing.T) {
	var r *secret.Registry
	r = asking(t, `{"A":{"kind":"ClientSecret"}}`, func(context.Context, string) (string, error) {
		update(t, r, `{"A":"n3w-value"}`)
		return "0ld-value", nil
	})
	value(t, r, "A")
	if got := value(t, r, "A"); got != "n3w-value" {
		t.Errorf("got %q", got)
	}
	if got := r.Mask("0ld-value n3w-value"); got != "<secret-hidden> <secret-hidden>" {
		t.Error(got)
	}
}

func TestNoClient(t *testing.T) {
	r := registry(t, `{"A":{"kind":"ClientSecret"}}`)
	for name, want := range map[string]string{"A": "no client is there that could be asked", "B": "there is no such secret"} {
		if _, err := r.Value(t.Context(), name); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeed(t *testing.T) {
	s := serve(t, map[string]string{"/l": "l00kup"})
	r := registry(t, `{"HAS":"0ld","LOST":"**********","L":{"kind":"LookupSecret","url":"`+s.URL+`/l"}}`)
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(`{"HAS":"n3w","LOST":"n3w","L":"n3w","ADDED":{"kind":"StaticSecret","value":"n3w"},"NONE":null}`), &m); err != nil {
		t.Fatal(err)
	}
	if err := r.Seed(m); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"HAS": "0ld", "LOST": "n3w", "L": "l00kup", "ADDED": "n3w"} {
		if got := value(t, r, name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := fmt.Sprint(r.Names()); got != "[ADDED HAS L LOST]" {
		t.Error(got)
	}
	if err := r.Seed(map[string]json.RawMessage{"A": json.RawMessage(`5`)}); err == nil {
		t.Error("a number was taken")
	}
}
