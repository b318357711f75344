package alert

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/fcgisup/fcgisup/supervisor/internal/openapi"
)

// TestOpenAPI holds the receivers in docs/monitor-api.yaml to their type.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	d, err := openapi.Load("../../../docs/monitor-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	types := openapi.Types{}
	for _, err := range types.Compare(d, "GET /api/v1/alerts", http.StatusOK, reflect.TypeFor[[]ReceiverStatus]()) {
		t.Error(err)
	}
}
