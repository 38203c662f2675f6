package conversation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/agent-rpc/agent-rpc/internal/conversation/event"
	"github.com/agent-rpc/agent-rpc/internal/conversation/secret"
	"github.com/agent-rpc/agent-rpc/internal/conversation/store"
)

// Manager opens, lists, deletes and closes the conversations of a process. It
// is safe for use by several goroutines and starts one goroutine per open
// conversation.
type Manager struct {
	// life bounds the conversations' lives. It is kept because a conversation
	// outlives the request that opened it.
	life context.Context
	base string
	env  env

	mu       sync.Mutex
	slots    map[string]*slot
	draining bool
}

// slot is a conversation that is open, or about to be.
type slot struct {
	ready chan struct{} // closed when c or err is set
	c     *Conversation
	err   error
	base  string
}

// Config is what a [Manager] needs.
type Config struct {
	// Base is the default folder of the conversations.
	Base     string
	NewAgent NewAgent
	// NewHooks may be nil: then no hooks run, and what is stored of them is kept.
	NewHooks NewHooks
	// NewChanges may be nil: then nobody looks what runs change.
	NewChanges NewChanges
	// Security judges actions; nil for one that knows the model's own word only.
	Security Security
	Log      *slog.Logger
	// OnChange is told that the list of conversations changed; may be nil. It
	// must not block.
	OnChange func()
	// Secrets gives the options of a conversation's secrets; may be nil.
	Secrets func(conversationID string) secret.Options
}

// NewManager makes a manager whose conversations live until they are closed or
// life ends.
func NewManager(life context.Context, cfg Config) *Manager {
	if cfg.Secrets == nil {
		cfg.Secrets = func(string) secret.Options { return secret.Options{} }
	}
	if cfg.Security == nil {
		cfg.Security = modelOnly{}
	}
	return &Manager{
		life: life, base: cfg.Base, slots: map[string]*slot{},
		env: env{
			newAgent: cfg.NewAgent, newHooks: cfg.NewHooks, newChanges: cfg.NewChanges, log: cfg.Log, onChange: cfg.OnChange, secrets: cfg.Secrets,
			security: cfg.Security, shared: store.NewWorkspaces(cfg.Base),
		},
	}
}

// Base is the default folder of the conversations.
func (m *Manager) Base() string { return m.base }

// Create makes a conversation, or resumes the one whose id is given. One that
// is open already is given as it is, with what o sets applied. [Config.OnChange]
// is not told: the caller knows, and may have an answer to send first.
func (m *Manager) Create(ctx context.Context, o Options) (c *Conversation, created bool, err error) {
	if o.ID != "" {
		if o.ID, err = ParseID(o.ID); err != nil {
			return nil, false, err
		}
		m.mu.Lock()
		known := m.slots[o.ID]
		m.mu.Unlock()
		if known != nil {
			if c, err := known.wait(ctx); err == nil {
				return c, false, c.reconfigure(ctx, o)
			}
		}
	}
	fresh := o.ID == "" || o.Base == "" || !store.Exists(o.Base, o.ID)
	c, err = m.slotFor(ctx, o)
	return c, fresh, err
}

// Open gives a conversation that exists, opened for writing.
func (m *Manager) Open(ctx context.Context, base, id string) (*Conversation, error) {
	if base == "" {
		base = m.base
	}
	return m.slotFor(ctx, Options{ID: id, Base: base, MustExist: true})
}

// Exists tells whether a conversation is open here or stored.
func (m *Manager) Exists(base, id string) bool {
	return m.Opened(id) != nil || base != "" && store.Exists(base, id)
}

// Opened gives a conversation only if it is open; nil otherwise.
func (m *Manager) Opened(id string) *Conversation {
	id, err := ParseID(id)
	if err != nil {
		return nil
	}
	m.mu.Lock()
	s := m.slots[id]
	m.mu.Unlock()
	if s == nil {
		return nil
	}
	select {
	case <-s.ready:
		return s.c
	default:
		return nil
	}
}

func (m *Manager) slotFor(ctx context.Context, o Options) (*Conversation, error) {
	if o.ID != "" {
		id, err := ParseID(o.ID)
		if err != nil {
			return nil, err
		}
		o.ID = id
	} else {
		o.ID = uuid.NewString()
	}
	m.mu.Lock()
	if m.draining {
		m.mu.Unlock()
		return nil, ErrDraining
	}
	if s := m.slots[o.ID]; s != nil {
		m.mu.Unlock()
		return s.wait(ctx)
	}
	s := &slot{ready: make(chan struct{}), base: o.Base}
	m.slots[o.ID] = s
	m.mu.Unlock()

	s.c, s.err = m.open(o)
	if s.err != nil {
		m.forget(o.ID, s)
	} else {
		go func() {
			<-s.c.Done()
			m.forget(o.ID, s)
		}()
	}
	close(s.ready)
	return s.c, s.err
}

// open opens a conversation. Whatever breaks on the way is an error like any
// other: nobody must wait for the slot for ever.
func (m *Manager) open(o Options) (c *Conversation, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.env.log.Error("panic while opening a conversation", "conversation", o.ID, "panic", p, "stack", string(debug.Stack()))
			c, err = nil, fmt.Errorf("internal error: panic while opening: %v", p)
		}
	}()
	return open(m.life, o, m.env)
}

func (m *Manager) forget(id string, s *slot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots[id] == s {
		delete(m.slots, id)
	}
}

func (s *slot) wait(ctx context.Context) (*Conversation, error) {
	select {
	case <-s.ready:
		return s.c, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close closes one conversation; one that is not open is closed already.
func (m *Manager) Close(ctx context.Context, id string) error {
	c := m.Opened(id)
	if c == nil {
		return nil
	}
	if err := c.Close(ctx); err != nil {
		return err
	}
	m.settle(c.id)
	return nil
}

// settle makes sure that a closed conversation is forgotten before the caller
// goes on, so that opening it again finds no remains.
func (m *Manager) settle(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.slots[id]; s != nil {
		select {
		case <-s.ready:
			if s.c != nil && isDone(s.c) {
				delete(m.slots, id)
			}
		default:
		}
	}
}

func isDone(c *Conversation) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// Delete closes a conversation and removes it from the disk. It may be called
// for one that does not exist.
func (m *Manager) Delete(ctx context.Context, base, id string) error {
	id, err := ParseID(id)
	if err != nil {
		return err
	}
	m.mu.Lock()
	if s := m.slots[id]; s != nil && base == "" {
		base = s.base
	}
	m.mu.Unlock()
	if base == "" {
		base = m.base
	}
	if err := m.Close(ctx, id); err != nil {
		return err
	}
	err = store.Delete(base, id)
	var locked *store.LockedError
	if errors.As(err, &locked) {
		return &LockedError{Owner{locked.PID, locked.Host}, fmt.Sprintf("the conversation is held by another process (pid %d)", locked.PID)}
	}
	if err != nil {
		return &PersistenceError{err}
	}
	if m.env.onChange != nil {
		m.env.onChange()
	}
	return nil
}

// CloseAll refuses new conversations and closes those that are open, all at
// once. It returns when they are closed or ctx ends.
func (m *Manager) CloseAll(ctx context.Context) error {
	m.mu.Lock()
	m.draining = true
	var open []*slot
	for _, s := range m.slots {
		open = append(open, s)
	}
	m.mu.Unlock()
	errs := make([]error, len(open))
	var wg sync.WaitGroup
	for i, s := range open {
		wg.Go(func() {
			if c, err := s.wait(ctx); err == nil {
				errs[i] = c.Close(ctx)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Peek reads a stored conversation without opening it: nothing is locked,
// changed or started.
func (m *Manager) Peek(base, id string) (*Snapshot, error) {
	if base == "" {
		base = m.base
	}
	id, err := ParseID(id)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(base, id, store.ReadOnly)
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.Existed() {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, &PersistenceError{err}
	}
	c, err := read(s, Options{ID: id}, m.env)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := c.makeAgent(m.env, Options{}); err != nil {
		// Its workspace may be gone. The history can be read all the same.
		m.env.log.Info("a conversation is read without its agent", "conversation", id, "error", err)
	}
	snap := &Snapshot{c: c, owner: ownerOf(base, id)}
	c.foresee(snap.owner != nil)
	return snap, nil
}

// foresee makes the state what opening would find, without writing. What another
// process holds goes on as it says.
func (c *Conversation) foresee(held bool) {
	asks, err := c.recoverInputs()
	waits, died := c.status == WaitingForConfirmation, !held && c.died()
	if err == nil && !asks && (waits || died) {
		err = c.history.load()
	}
	switch {
	case err != nil:
		c.unreadable(err)
	case asks:
	case waits && c.history.open.Len() == 0:
		c.status, c.side.StopReason = Idle, ""
	case waits:
		c.run = &run{id: c.side.RunID}
	case died:
		c.failDead()
	}
}

// ownerOf is the process that holds a conversation; nil if none does.
func ownerOf(base, id string) *Owner {
	owner, err := store.Owner(base, id)
	if err != nil || owner == nil {
		return nil
	}
	return &Owner{owner.PID, owner.Host}
}

// Snapshot is a stored conversation as it was when it was read. It belongs to
// one goroutine.
type Snapshot struct {
	c     *Conversation
	owner *Owner
}

// Info is the state; LockedBy is set while another process holds the
// conversation.
func (s *Snapshot) Info() Info {
	i := s.c.info()
	i.LockedBy = s.owner
	return i
}

// Events reads a page.
func (s *Snapshot) Events(q Query) (Page, error) { return s.c.page(q) }

// Branches are the branches of the log.
func (s *Snapshot) Branches() ([]Branch, error) { return s.c.history.branches() }

// Opening tells what a reader who starts at since is to be given.
func (s *Snapshot) Opening(since Since) Opened {
	o := s.c.opening(since)
	o.Info = s.Info()
	return o
}

// Replay hands the events after from, up to and including to, to o.
func (s *Snapshot) Replay(o Observer, from, to int) { s.c.replay(o, from, to) }

// Close frees the files.
func (s *Snapshot) Close() error {
	return s.c.store.Close() // its agent started nothing
}

// Filter narrows a list. Limit is 50 if 0.
type Filter struct {
	Base      string
	Workspace string // absolute path
	// Query is looked for in title, id and workspace, ignoring case.
	Query  string
	Cursor string
	Limit  int
}

// List gives the stored and the open conversations, the newest first, and the
// cursor of the next page; "" at the end.
func (m *Manager) List(ctx context.Context, f Filter) ([]Info, string, error) {
	if f.Base == "" {
		f.Base = m.base
	}
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = 50
	}
	entries, err := m.entries(f.Base)
	if err != nil {
		return nil, "", err
	}
	start := 0
	if f.Cursor != "" {
		at, id, ok := strings.Cut(f.Cursor, " ")
		stamp, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return nil, "", &ValueError{"cursor", "is not one that this method gave"}
		}
		start = sort.Search(len(entries), func(i int) bool {
			e := entries[i]
			return e.stamp < stamp || e.stamp == stamp && e.id > id
		})
	}
	items := []Info{}
	for i := start; i < len(entries); i++ {
		info, err := m.listed(ctx, f.Base, entries[i])
		if err != nil {
			m.env.log.Warn("a conversation is left out of the list", "conversation", entries[i].id, "error", err)
			continue
		}
		if !f.matches(info) {
			continue
		}
		items = append(items, info)
		if len(items) == f.Limit && i+1 < len(entries) {
			return items, fmt.Sprintf("%d %s", entries[i].stamp, entries[i].id), nil
		}
	}
	return items, "", nil
}

func (f *Filter) matches(i Info) bool {
	if f.Workspace != "" && f.Workspace != i.Workspace {
		return false
	}
	q := strings.ToLower(f.Query)
	return q == "" || strings.Contains(strings.ToLower(i.Title+"\n"+i.ID+"\n"+i.Workspace), q)
}

type entry struct {
	id    string
	stamp int64 // when it changed, in ns since 1970
	slot  *slot
}

// entries joins what is on disk with what is open in memory only.
func (m *Manager) entries(base string) ([]entry, error) {
	stored, err := store.List(base)
	if err != nil {
		return nil, &PersistenceError{err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := map[string]bool{}
	var entries []entry
	for _, s := range stored {
		seen[s.ID] = true
		entries = append(entries, entry{s.ID, s.Updated().UnixNano(), m.slots[s.ID]})
	}
	for id, s := range m.slots {
		if !seen[id] && (s.base == "" || s.base == base) {
			entries = append(entries, entry{id, 1<<63 - 1, s})
		}
	}
	sort.Slice(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		return a.stamp > b.stamp || a.stamp == b.stamp && a.id < b.id
	})
	return entries, nil
}

func (m *Manager) listed(ctx context.Context, base string, e entry) (Info, error) {
	if e.slot != nil {
		if c, err := e.slot.wait(ctx); err == nil {
			if info, err := c.infoNow(ctx); err == nil {
				return info, nil
			}
		}
	}
	return m.summary(base, e.id)
}

// infoNow waits for a snapshot of the state.
func (c *Conversation) infoNow(ctx context.Context) (Info, error) {
	got := make(chan Info, 1)
	if err := c.Info(func(i Info) { got <- i }); err != nil {
		return Info{}, err
	}
	select {
	case i := <-got:
		return i, nil
	case <-c.ended:
		return Info{}, ErrClosed
	case <-ctx.Done():
		return Info{}, ctx.Err()
	}
}

// summary reads what a list shows of a stored conversation, no more: no event
// is read, and no agent is made unless the conversation waits for the user.
func (m *Manager) summary(base, id string) (Info, error) {
	s, err := store.Open(base, id, store.ReadOnly)
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = s.Close() }() // opened for reading: nothing to lose
	c := &Conversation{
		id: id, store: s, log: m.env.log, secrets: new(secret.Registry), security: m.env.security, workspaces: m.env.shared, maxIter: DefaultMaxIterations,
	}
	stored, err := c.readStored(s)
	if err != nil {
		return Info{}, err
	}
	if stored == nil {
		return Info{}, os.ErrNotExist
	}
	if c.status == WaitingForConfirmation || len(c.side.Inputs) > 0 {
		snap, err := m.Peek(base, id)
		if err != nil {
			return Info{}, err
		}
		return snap.Info(), snap.Close()
	}
	owner := ownerOf(base, id)
	if owner == nil && c.died() {
		c.failDead()
	}
	seq := s.Len()
	if !c.side.Linear && c.side.Known > 0 {
		seq = c.side.Seq
	}
	i := Info{
		ID: c.id, Title: c.tags["title"], Workspace: c.workspace, Status: c.status, RunID: c.side.RunID,
		StopReason: c.side.StopReason, Error: c.side.Error, CreatedAt: c.side.CreatedAt, UpdatedAt: c.side.UpdatedAt,
		Cursor: Cursor{c.side.Epoch, seq}, MaxIterations: c.maxIter, MaxBudget: c.side.MaxBudget, AutoTitle: c.side.AutoTitle,
		ConfirmationPolicy: encoded(c.policy), SecurityAnalyzer: c.analyzerJSON(),
		LLMs: c.llms(), Stats: c.stats.AppendSnapshot(nil), Queued: c.queued(), Tags: c.tags, Rules: c.rules(), Changes: c.side.Changes, LockedBy: owner,
	}
	i.Model = i.LLMs[0].Model
	if i.CreatedAt.IsZero() && s.Len() > 0 {
		if raw, err := s.Read(0); err == nil {
			if e, err := event.Decode(raw); err == nil {
				i.CreatedAt = e.Head().Time().UTC()
			}
		}
	}
	if i.UpdatedAt.IsZero() {
		i.UpdatedAt = i.CreatedAt
	}
	return i, nil
}

// reconfigure applies what a second create of an open conversation gives; its
// workspace and its agent stay, but for the model of a profile.
func (c *Conversation) reconfigure(ctx context.Context, o Options) error {
	done := make(chan error, 1)
	told := func(_ Info, err error) { done <- err }
	if err := c.change(told, func() error {
		o.Workspace = ""
		return c.readGiven(o)
	}); err != nil {
		return err
	}
	if err := c.until(ctx, done); err != nil || o.Profile == "" {
		return err
	}
	if err := c.SwitchModel(ctx, ProfileLLM(o.Profile), told); err != nil {
		return err
	}
	return c.until(ctx, done)
}

// until waits for a verb's reply.
func (c *Conversation) until(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-c.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
