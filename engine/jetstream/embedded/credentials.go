package embedded

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"github.com/resultpool/resultpool/engine/jetstream/internal/folder"
)

// withCredentials returns s with the credentials that it lacks, for a server that was given none.
// tls is whether the server was given a certificate.
func withCredentials(s folder.Server, tls bool) (folder.Server, error) {
	if s.User == "" || s.Password == "" {
		s.User, s.Password = "resultpool", rand.Text()
	}
	if tls {
		s.Certificate, s.Key = "", ""
		return s, nil
	}
	if _, err := ownCertificate(s); err == nil {
		return s, nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return s, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: folder.CertificateName},
		DNSNames:     []string{folder.CertificateName},
		NotBefore:    time.Unix(0, 0), // valid whatever the clock shows
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return s, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return s, err
	}
	s.Certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	s.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return s, nil
}

// ownCertificate is the certificate in s, if it is as it was made.
func ownCertificate(s folder.Server) (tls.Certificate, error) {
	cert, err := tls.X509KeyPair([]byte(s.Certificate), []byte(s.Key))
	if err != nil {
		return cert, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: folder.CertificateName})
	return cert, err
}
