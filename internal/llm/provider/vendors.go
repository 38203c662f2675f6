package provider

import "github.com/agent-rpc/agent-rpc/internal/llm/openai"

// vendor is what is peculiar to the servers of one prefix. Where they are and
// which key they take is in [llm.Providers].
type vendor struct {
	// anthropic: it speaks the Messages API.
	anthropic bool
	// ownPath: a base URL without a path gets this one.
	ownPath string
	dialect openai.Dialect
}

var (
	maxTokens = openai.Dialect{MaxTokens: true}
	proxy     = openai.Dialect{LiteLLM: true}
)

// vendors are the prefixes whose servers are not plain OpenAI-compatible ones.
var vendors = map[string]vendor{
	"anthropic": {anthropic: true},

	"ollama":      {ownPath: "/v1", dialect: maxTokens},
	"ollama_chat": {ownPath: "/v1", dialect: maxTokens},
	"lm_studio":   {ownPath: "/v1", dialect: maxTokens},
	"llamafile":   {ownPath: "/v1", dialect: maxTokens},
	"hosted_vllm": {ownPath: "/v1"},

	"azure": {dialect: openai.Dialect{KeyHeader: "api-key"}},

	"litellm_proxy": {dialect: proxy},
	"openhands":     {dialect: proxy},

	"huggingface": {dialect: maxTokens},

	"gemini":    {dialect: openai.Dialect{Signatures: true}},
	"deepseek":  {dialect: maxTokens},
	"moonshot":  {dialect: maxTokens},
	"minimax":   {dialect: maxTokens},
	"zai":       {dialect: maxTokens},
	"dashscope": {dialect: maxTokens},
	// Mistral refuses fields that it does not know, and counts without asking.
	"mistral":      {dialect: openai.Dialect{MaxTokens: true, NoStreamOptions: true}},
	"together_ai":  {dialect: maxTokens},
	"fireworks_ai": {dialect: maxTokens},
	"nebius":       {dialect: maxTokens},
	"nvidia_nim":   {dialect: maxTokens},
	"sambanova":    {dialect: maxTokens},
	"perplexity":   {dialect: maxTokens},
}

// elsewhere are prefixes whose wires we don't speak, and what to use instead.
var elsewhere = map[string]string{
	"bedrock":   "litellm_proxy/ or openrouter/",
	"sagemaker": "litellm_proxy/",
	"vertex_ai": "gemini/ or litellm_proxy/",
	"cohere":    "openrouter/",
	"watsonx":   "litellm_proxy/",
}
