package provider

import "github.com/agent-rpc/agent-rpc/internal/llm/openai"

// vendor is how the models of one prefix are reached.
type vendor struct {
	// base is where requests go if the config does not say; "" if it must.
	base string
	// key is the environment variable that holds the key; "" if none is needed.
	key string
	// anthropic: it speaks the Messages API.
	anthropic bool
	// ownPath: a base URL without a path gets this one.
	ownPath string
	dialect openai.Dialect
}

const anyKey = "LLM_API_KEY"

var (
	maxTokens = openai.Dialect{MaxTokens: true}
	proxy     = openai.Dialect{LiteLLM: true}
)

// vendors are LiteLLM's prefixes that we can reach.
var vendors = map[string]vendor{
	"openai":    {base: "https://api.openai.com/v1", key: "OPENAI_API_KEY"},
	"anthropic": {base: "https://api.anthropic.com", key: "ANTHROPIC_API_KEY", anthropic: true},

	"ollama":      {base: "http://localhost:11434/v1", ownPath: "/v1", dialect: maxTokens},
	"ollama_chat": {base: "http://localhost:11434/v1", ownPath: "/v1", dialect: maxTokens},
	"lm_studio":   {base: "http://localhost:1234/v1", ownPath: "/v1", dialect: maxTokens},
	"llamafile":   {base: "http://localhost:8080/v1", ownPath: "/v1", dialect: maxTokens},
	"hosted_vllm": {ownPath: "/v1"},

	"azure": {key: "AZURE_API_KEY", dialect: openai.Dialect{KeyHeader: "api-key"}},

	"litellm_proxy": {key: "LITELLM_PROXY_API_KEY", dialect: proxy},
	"openhands":     {base: "https://llm-proxy.app.all-hands.dev", key: anyKey, dialect: proxy},

	"openrouter":        {base: "https://openrouter.ai/api/v1", key: "OPENROUTER_API_KEY"},
	"vercel_ai_gateway": {base: "https://ai-gateway.vercel.sh/v1", key: "VERCEL_AI_GATEWAY_API_KEY"},
	"aihubmix":          {base: "https://aihubmix.com/v1", key: "AIHUBMIX_API_KEY"},
	"huggingface":       {base: "https://router.huggingface.co/v1", key: "HF_TOKEN", dialect: maxTokens},

	"gemini":    {base: "https://generativelanguage.googleapis.com/v1beta/openai", key: "GEMINI_API_KEY"},
	"groq":      {base: "https://api.groq.com/openai/v1", key: "GROQ_API_KEY"},
	"deepseek":  {base: "https://api.deepseek.com/v1", key: "DEEPSEEK_API_KEY", dialect: maxTokens},
	"xai":       {base: "https://api.x.ai/v1", key: "XAI_API_KEY"},
	"cerebras":  {base: "https://api.cerebras.ai/v1", key: "CEREBRAS_API_KEY"},
	"moonshot":  {base: "https://api.moonshot.ai/v1", key: "MOONSHOT_API_KEY", dialect: maxTokens},
	"minimax":   {base: "https://api.minimax.io/v1", key: "MINIMAX_API_KEY", dialect: maxTokens},
	"zai":       {base: "https://api.z.ai/api/paas/v4", key: "ZAI_API_KEY", dialect: maxTokens},
	"dashscope": {base: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", key: "DASHSCOPE_API_KEY", dialect: maxTokens},
	// Mistral refuses fields that it does not know, and counts without asking.
	"mistral":      {base: "https://api.mistral.ai/v1", key: "MISTRAL_API_KEY", dialect: openai.Dialect{MaxTokens: true, NoStreamOptions: true}},
	"together_ai":  {base: "https://api.together.xyz/v1", key: "TOGETHERAI_API_KEY", dialect: maxTokens},
	"fireworks_ai": {base: "https://api.fireworks.ai/inference/v1", key: "FIREWORKS_API_KEY", dialect: maxTokens},
	"nebius":       {base: "https://api.tokenfactory.nebius.com/v1", key: "NEBIUS_API_KEY", dialect: maxTokens},
	"nvidia_nim":   {base: "https://integrate.api.nvidia.com/v1", key: "NVIDIA_NIM_API_KEY", dialect: maxTokens},
	"sambanova":    {base: "https://api.sambanova.ai/v1", key: "SAMBANOVA_API_KEY", dialect: maxTokens},
	"perplexity":   {base: "https://api.perplexity.ai", key: "PERPLEXITYAI_API_KEY", dialect: maxTokens},
}

// elsewhere are prefixes whose wires we don't speak, and what to use instead.
var elsewhere = map[string]string{
	"bedrock":   "litellm_proxy/ or openrouter/",
	"sagemaker": "litellm_proxy/",
	"vertex_ai": "gemini/ or litellm_proxy/",
	"cohere":    "openrouter/",
	"watsonx":   "litellm_proxy/",
}
